"""What integration tests share."""

import pytest

from tests.databases import cluster_dsn, database, empty_database, template

__all__ = ["cluster_dsn", "database", "empty_database", "template"]

RAN_OUT_OF_TIME = [
    rf"^(\w+\.)*{name}: "
    for name in ("CameLate", "TimeoutError", "TimeoutExpired", "DeadlineExceeded")
]


def pytest_collection_modifyitems(items):
    """Lets a test that ran out of time on a shared machine run once more; the summary says so.

    A wrong answer is never asked for again, nor is an event or a balance that never came
    (`tests/waiting.py`): only what came late is, and whoever got no answer at all.
    """
    again = pytest.mark.flaky(reruns=1, only_rerun=RAN_OUT_OF_TIME)
    for item in items:
        if "/integration/" in item.path.as_posix():
            item.add_marker(again)
