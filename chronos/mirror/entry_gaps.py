"""Finds versions that the events topic left out, and gives them to the index of entries.

The topic carries each account's events in order, so the version before an event is there or was
never sent. What an account had last is remembered; for an account that is not remembered the
index is asked, which shows a document half a second after it was written: then events are
written again that are there already, which changes nothing. Only what was really missing is
counted.

Bounds: `ACCOUNTS_MAX` remembered accounts, the oldest forgotten first; missing events are read
and written a page of the journal at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from chronos.errors import InvariantBroken
from chronos.mirror.entries import Entry, EntryHead, EntryIndex
from chronos.telemetry.mirror_metrics import MIRROR_GAPS_REPAIRED

ACCOUNTS_MAX = 100_000
_ASKED_MAX = 1_000

log = structlog.get_logger("mirror")


class MissingEvents(Protocol):
    """Reads an account's events where they were committed."""

    async def __call__(self, account_id: str, after_version: int) -> Sequence[Entry]:
        """Reads the next events in order, a page of them; none after the last.

        Raises:
            Unavailable: The journal does not answer.
            InvariantBroken: The journal's own bytes cannot be read.
        """
        ...


class EntryGaps:
    """Remembers how far each account is whole in the index.

    Args:
        index: Where entries go.
        journal: Where missing events are read.
        tell: Is called after each page that was filled in: this work is progress too.
    """

    def __init__(self, index: EntryIndex, journal: MissingEvents, *, tell: Callable[[], None]):
        self._index = index
        self._journal = journal
        self._tell = tell
        self._whole: dict[str, int] = {}

    async def fill(self, entries: Sequence[Entry]) -> dict[str, int]:
        """Writes what is missing before these entries, which are not written yet.

        Returns:
            How far each account will be whole once they are; it is for `note`.

        Raises:
            Unavailable: Elasticsearch or the journal does not answer; the batch may come again.
            InvariantBroken: The journal does not have what is missing.
        """
        whole = await self._known(entries)
        for entry in entries:
            known = whole[entry.account_id]
            if entry.version > known + 1:
                await self._fill_one(entry, known)
            whole[entry.account_id] = max(known, entry.version)
        return whole

    def note(self, whole: dict[str, int]) -> None:
        """Remembers how far accounts are whole."""
        for account_id, version in whole.items():
            self._whole.pop(account_id, None)
            self._whole[account_id] = version
        for account_id in list(self._whole)[: max(0, len(self._whole) - ACCOUNTS_MAX)]:
            del self._whole[account_id]

    def forget(self) -> None:
        """Remembers nothing: the index is a new one."""
        self._whole.clear()

    async def _known(self, entries: Sequence[Entry]) -> dict[str, int]:
        """Tells how far the accounts of a batch are whole, by memory or by the index."""
        whole: dict[str, int] = {}
        unknown: list[str] = []
        for entry in entries:
            if entry.account_id in whole:
                continue
            known = self._whole.get(entry.account_id)
            if known is None and entry.version > 1:
                unknown.append(entry.account_id)
            whole[entry.account_id] = known or 0
        for start in range(0, len(unknown), _ASKED_MAX):
            heads = await self._index.heads_of(unknown[start : start + _ASKED_MAX])
            for head in heads.values():
                whole[head.account_id] = await self._whole_until(head)
        return whole

    async def _whole_until(self, head: EntryHead) -> int:
        if head.events == head.version:
            return head.version
        low, high = 0, head.version
        while high - low > 1:
            middle = (low + high) // 2
            if await self._index.has_all_until(head.account_id, middle):
                low = middle
            else:
                high = middle
        return low

    async def _fill_one(self, entry: Entry, known: int) -> None:
        applied = 0
        version = known
        while version + 1 < entry.version:
            page = await self._journal(entry.account_id, version)
            missing = [stored for stored in page if stored.version < entry.version]
            if not missing:
                raise InvariantBroken(
                    f"Account {entry.account_id}: Kafka has version {entry.version}, event "
                    f"{entry.event_id}, the journal lacks version {version + 1}. Run "
                    "`chronos verify`, then `chronos reconcile`.",
                    account_id=entry.account_id,
                    version=version + 1,
                )
            applied += (await self._index.write_many(missing)).applied
            version = missing[-1].version
            self._tell()
        if applied:
            MIRROR_GAPS_REPAIRED.inc()
            log.warning(
                "gap_in_versions", known=known, found=entry.version, written=applied,
                event_id=entry.event_id,
            )  # fmt: skip
