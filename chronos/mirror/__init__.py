"""Copies of the journal that other people read fast: Redis and Elasticsearch."""
