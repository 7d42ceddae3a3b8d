"""Faults on the real pipeline under load, and checkers that count what is left."""
