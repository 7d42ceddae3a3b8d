"""The plumbing of the Faust workers, without Kafka."""
