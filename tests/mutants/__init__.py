"""Mutants: Chronos with one mistake planted, which the checkers of a fault run must find."""
