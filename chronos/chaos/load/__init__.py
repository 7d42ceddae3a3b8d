"""The clients of a fault run: what they ask, how they send it, when they give up."""
