"""Writes the journal as JSON lines that prove themselves, wherever they are taken.

The first line says what the file is. Then comes one line for each event: its stored bytes with
one more member, `hash`, as the API shows it; by account and version, so that each account's
chain is proved while the file is read. The last line has the counts, the sum of all amounts in
each currency, and the SHA-256 of all lines of events: two exports of the same journal have the
same one, so whoever notes it can prove years later that a file is that journal.

One snapshot, one pass, one page of rows in memory. Not in it: receipts (which key had which
answer), refused commands, and API keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Final

import msgspec

from chronos.clock import Clock
from chronos.store.journal_scan import open_scan
from chronos.wire.booking import EventRow
from chronos.wire.codec import format_instant, with_hash

FORMAT: Final = 1
END_BEGINS: Final = b'{"chronos_export_end":'
_PROGRESS_EVENTS: Final = 10_000

_encode = msgspec.json.Encoder().encode


class Beginning(msgspec.Struct, frozen=True, kw_only=True):
    """The first line."""

    chronos_export: int
    order: str = "account_id, version"
    taken_at: str


class End(msgspec.Struct, frozen=True, kw_only=True):
    """The last line."""

    chronos_export_end: int
    events: int
    accounts: int
    position: int
    """Of the newest event."""
    totals: dict[str, int]
    """Sum of all amounts by currency, in minor units; each is zero."""
    sha256: str
    """Of all lines of events, their line ends included."""


async def export_journal(
    dsn: str,
    write: Callable[[bytes], object],
    *,
    clock: Clock,
    progress: Callable[[int], None] | None = None,
) -> End:
    """Writes the journal in the database at `dsn`, and gives its last line.

    Args:
        dsn: PostgreSQL, as any role that may read the journal.
        write: Takes the lines, one after another.
        clock: Dates the file.
        progress: Called with the number of events written, now and then.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    async with open_scan(dsn) as scan:
        lines = Lines(write, taken_at=clock.now())
        async for scanned in scan.events():
            lines.take(scanned.event)
            if progress is not None and lines.events % _PROGRESS_EVENTS == 0:
                progress(lines.events)
        return lines.finish()


class Lines:
    """Writes the lines of one export.

    Args:
        write: Takes them, one after another.
        taken_at: When the snapshot was taken, UTC.
    """

    def __init__(self, write: Callable[[bytes], object], *, taken_at: datetime) -> None:
        self._write = write
        self._digest = sha256()
        self._accounts = 0
        self._position = 0
        self._totals: Counter[str] = Counter()
        self.events = 0
        begins = Beginning(chronos_export=FORMAT, taken_at=format_instant(taken_at))
        write(_encode(begins) + b"\n")

    def take(self, event: EventRow) -> None:
        """Writes the next event, by account and version."""
        line = with_hash(event.body, event.hash) + b"\n"
        self._write(line)
        self._digest.update(line)
        self._accounts += event.version == 1
        self._position = max(self._position, event.position)
        self._totals[event.currency] += event.amount or 0
        self.events += 1

    def finish(self) -> End:
        """Writes the last line, and gives it."""
        end = End(
            chronos_export_end=FORMAT,
            events=self.events,
            accounts=self._accounts,
            position=self._position,
            totals=dict(sorted(self._totals.items())),
            sha256=self._digest.hexdigest(),
        )
        self._write(_encode(end) + b"\n")
        return end
