"""Faust agents: one reader of topics a file; they do not know each other."""
