"""The live stream: events as they come, read by each worker for its own subscribers."""
