"""Measurements of the stages behind the command API: relay, workers, recovery, the whole."""
