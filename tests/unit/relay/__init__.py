"""The relay, with a publisher that only remembers."""
