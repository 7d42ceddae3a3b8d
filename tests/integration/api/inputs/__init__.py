"""Bad requests as data, by subject: what is sent, and which refusal it gets."""
