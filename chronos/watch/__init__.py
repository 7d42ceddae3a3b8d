"""Looks at a running instance from outside: what it does now, and what is wrong with it."""
