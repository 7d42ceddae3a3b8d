"""What trials of the documents share with the tests of the doors."""

from tests.integration.api.conftest import own_database

__all__ = ["own_database"]
