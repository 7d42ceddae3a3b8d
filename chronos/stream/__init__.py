"""The Faust app object and its plumbing; agents, tables and views stand on it."""
