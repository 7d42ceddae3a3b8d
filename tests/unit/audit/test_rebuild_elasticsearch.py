"""A shadow of both indices is written in several requests; each is answered before the next."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from chronos.audit.rebuild_elasticsearch import _Indices
from chronos.errors import Unavailable
from chronos.store.journal_pages import JournalEvent


class Index:
    """Takes documents after a while, and refuses those of one version."""

    def __init__(self, refused=None):
        self.taken = []
        self.at_once = self.most_at_once = 0
        self._refused = refused

    async def write_many(self, documents):
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if self._refused in [one.version for one in documents]:
            raise Unavailable("elasticsearch", "busy")
        self.taken += [one.version for one in documents]


def events(count):
    return [
        JournalEvent(
            "alice", version, f"event-{version}", datetime(2031, 5, 6, tzinfo=UTC), b"", b"{}"
        )
        for version in range(1, count + 1)
    ]


@pytest.mark.parametrize(("requests", "count"), [(1, 5), (2, 5), (2, 1), (2, 0)])
async def test_every_event_is_sent_once(requests, count):
    entries, accounts = Index(), Index()

    await _Indices(entries, accounts, requests=requests).write(events(count), [])

    assert sorted(entries.taken) == list(range(1, count + 1))
    assert entries.most_at_once == min(requests, count)


async def test_a_request_that_failed_is_told_when_the_others_have_ended():
    entries = Index(refused=1)

    with pytest.raises(Unavailable):
        await _Indices(entries, Index(), requests=2).write(events(4), [])

    assert entries.taken == [3, 4]
    assert entries.at_once == 0
