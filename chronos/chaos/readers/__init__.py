"""Readers of the real stores, apart from the code that they check."""
