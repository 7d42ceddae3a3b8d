"""What contract tests share."""

from tests.databases import cluster_dsn, database, template

__all__ = ["cluster_dsn", "database", "template"]
