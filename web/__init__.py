"""Faust web views: the query side of the bank."""
