"""A page: what one fetch found of one partition, handed through Faust as one message.

Faust's own path costs four tasks and two queues for each record, about 60 us; the work on an
event is less than that. So the records of a source topic travel as pages, and what Faust does
for a message (flow control, buffers, generations, acknowledgement, commit) it does for a page.
Measured with a table written once per key and batch: 8,400 events a second by record.

The offset of a page is that of its last record. Faust finds what may be committed by looking
for gaps between acknowledged offsets; between pages there is nothing but gaps, so `PageOffsets`
keeps the pages that are open, in order, and a partition may be committed up to the first one.
Changelogs are not paged: they are read while tables recover, in a loop of its own
(`chronos.stream.recovery`).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import faust
from faust.types import TP


class Readable(Protocol):
    """What of a record its meaning is read from."""

    @property
    def key(self) -> bytes | None:
        """Its key."""
        ...

    @property
    def value(self) -> bytes | None:
        """Its bytes."""
        ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Its headers."""
        ...


class Record(Readable, Protocol):
    """One record as aiokafka gives it."""

    @property
    def topic(self) -> str:
        """Its topic."""
        ...

    @property
    def partition(self) -> int:
        """Its partition."""
        ...

    @property
    def offset(self) -> int:
        """Its place in the partition."""
        ...

    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970, as whoever wrote it says."""
        ...


class PageSchema(faust.Schema):  # type: ignore[type-arg]  # not generic when it runs
    """Gives a stream each page as it is; its records are read by the agent."""

    def compile(self, app: Any, **_: Any) -> Any:
        """Makes the function that turns a message into an event."""
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            del propagate  # nothing is decoded here, so nothing can fail
            return create_event(None, message.value, None, message)

        return decode


class PageOffsets:
    """Remembers the pages under way, and up to where each partition is done.

    Pages of a partition may be acknowledged in any order; what may be committed never passes
    the first that is not. A page of an assignment that has ended is forgotten, and its late
    acknowledgement changes nothing.
    """

    def __init__(self) -> None:
        self._open: dict[TP, deque[Any]] = {}
        self._done: dict[TP, int] = {}
        self._records: Counter[TP] = Counter()

    def hand_out(self, page: Any) -> None:
        """Notes a page (Faust's message) that is about to be given to a stream."""
        self._open.setdefault(page.tp, deque()).append(page)
        self._records[page.tp] += len(page.value)

    def acknowledge(self, page: Any) -> bool:
        """Notes that all of a page is done; False for one that is not known (any more)."""
        pages = self._open.get(page.tp, ())
        if not any(page is known for known in pages):
            return False
        page.acked = True
        self._records[page.tp] -= len(page.value)
        pages = self._open[page.tp]
        while pages and pages[0].acked:
            self._done[page.tp] = pages.popleft().offset + 1
        return True

    def committable(self, tp: TP) -> int | None:
        """Gives the offset of the first record of a partition that is not done yet."""
        return self._done.get(tp)

    def is_open(self, tp: TP) -> bool:
        """Tells whether a page of a partition is under way."""
        return bool(self._open.get(tp))

    def with_room(self, tps: Iterable[TP], records_max: int) -> set[TP]:
        """Gives those of some partitions of which fewer records are under way than this."""
        return {tp for tp in tps if self._records[tp] < records_max}

    def partitions(self) -> Iterator[TP]:
        """Gives the partitions of which something is done."""
        return iter(list(self._done))

    def forget(self, tps: Iterable[TP]) -> None:
        """Drops what is known of partitions that were given or taken."""
        for tp in tps:
            self._open.pop(tp, None)
            self._done.pop(tp, None)
            self._records.pop(tp, None)


class Undelivered:
    """Knows what of one fetch was not handed on: from where each partition must be read again.

    A fetch moves the place from which a partition is read next. What is dropped afterwards,
    because the flow was stopped meanwhile or the partition is paused, would be passed over.
    """

    def __init__(self, records: Mapping[Any, Sequence[Record]]):
        self._first = {tp: found[0].offset for tp, found in records.items()}
        self._behind = {tp: found[-1].offset + 1 for tp, found in records.items()}

    def hand_on(self, tp: Any, last_offset: int) -> None:
        """Notes that a partition's records up to this one were handed on."""
        self._first[tp] = last_offset + 1

    def left(self) -> dict[Any, tuple[int, int]]:
        """Gives for each partition with a rest its first offset and that behind its last."""
        return {
            tp: (first, self._behind[tp])
            for tp, first in self._first.items()
            if first < self._behind[tp]
        }


def split(records: Mapping[Any, list[Record]], paged: frozenset[str]) -> tuple[Any, Any]:
    """Parts what a fetch gave into the pages of source topics and everything else."""
    pages = {tp: found for tp, found in records.items() if tp.topic in paged}
    others = {tp: found for tp, found in records.items() if tp.topic not in paged}
    return pages, others
