"""A bank's day: money moves through the whole pipeline, and all read models are compared."""
