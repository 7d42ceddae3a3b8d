"""Faust tables: the state that workers keep, and how it is made from events."""
