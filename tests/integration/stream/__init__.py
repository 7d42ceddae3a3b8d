"""The stream on a real Kafka."""
