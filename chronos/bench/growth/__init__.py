"""Throughput against the size of one thing after the other, and the plot of it."""
