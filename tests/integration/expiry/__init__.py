"""Due holds ended by relay workers on real PostgreSQL and Kafka."""
