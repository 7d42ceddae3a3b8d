"""What trials of the documents share with the tests of the servers."""

from tests.integration.api.conftest import own_database
from tests.integration.balances.conftest import (
    postgres_door,
    redis,
    redis_door,
    redis_url,
    scene,
)

__all__ = ["own_database", "postgres_door", "redis", "redis_door", "redis_url", "scene"]
