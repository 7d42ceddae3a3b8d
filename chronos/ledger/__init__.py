"""The use case: one attempt at a command in, one receipt out."""
