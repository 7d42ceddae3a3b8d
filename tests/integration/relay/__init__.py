"""The relay on real PostgreSQL and Kafka."""
