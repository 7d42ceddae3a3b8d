"""Real PostgreSQL, Kafka, Redis and Elasticsearch, run as child processes."""
