"""What integration tests share."""

from tests.databases import cluster_dsn, database, empty_database, template

__all__ = ["cluster_dsn", "database", "empty_database", "template"]
