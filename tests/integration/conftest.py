"""What integration tests share."""

import pytest

from tests.databases import cluster_dsn, database, empty_database, template

__all__ = ["cluster_dsn", "database", "empty_database", "template"]

RAN_OUT_OF_TIME = (TimeoutError, r"DeadlineExceeded", r"TimeoutExpired", r"not within")


def pytest_collection_modifyitems(items):
    """Lets a test that ran out of time on a shared machine run once more; the summary says so.

    A wrong answer is never asked for again, nor is what never came (`tests/waiting.py`): only
    what came late is.
    """
    again = pytest.mark.flaky(reruns=1, only_rerun=list(RAN_OUT_OF_TIME))
    for item in items:
        if "/integration/" in item.path.as_posix():
            item.add_marker(again)
