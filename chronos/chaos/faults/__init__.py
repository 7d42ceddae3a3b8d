"""The faults of a run, by what they hurt."""
