"""C8: the write side is linearizable: all that was done and read fits one order in time.

The journal gives the order of each account's versions, so nothing has to be guessed. Of the
operations that took effect, one must come before another when it wrote the version before
(ww), wrote what the other read (wr), read what the other overwrote (rw), or was over before the
other began. The operations fit one order exactly when these edges have no cycle.

The last kind would be a pair for each two operations. Instead, every end of an operation is a
barrier in a chain: what ended points to its barrier, and the newest barrier before a beginning
points to what began. So there are four edges for an operation, besides those of its accounts.

A write that nobody acknowledged and that is in the journal has no end. An expiry, which no
client sent, has neither beginning nor end.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from chronos.chaos.checkers.graph import cycles, shortest_cycle
from chronos.chaos.checkers.told import (
    WRITES,
    Balance,
    Listed,
    answered,
    name_of,
    read_of,
    snapshot_of,
    unlike,
)
from chronos.chaos.history import Kind, Operation
from chronos.chaos.readers.facts import Journal
from chronos.chaos.verdict import Verdict, verdict

PROMISE = (
    "all commands that took effect, all authoritative reads and all snapshots fit one order "
    "that agrees with real time"
)
SHOWN_MAX = 12
"""Steps of a cycle that are told."""


def linearizable(journal: Journal, history: Sequence[Operation]) -> Verdict:
    """C8: no cycle among what was written, read and timed."""
    order = _Order()
    wrong: list[str] = []
    order.add_writes(journal, history)
    for operation, attempt in answered(history, Kind.READ, Kind.SNAPSHOT):
        name = name_of(operation)
        try:
            if operation.kind is Kind.SNAPSHOT:
                found = snapshot_of(attempt).accounts
                read = _Read({one: shown[0] for one, shown in found.items()})
            else:
                told = read_of(operation, attempt)
                wrong += [f"{name}: {what}" for what in _made_up(journal, told)]
                read = _seen(told)
        except msgspec.MsgspecError as error:
            wrong.append(f"{name} cannot be read: {error}")
            continue
        order.add_read(name, (attempt.invoked_ns, attempt.completed_ns), read)
    wrong += order.missing
    wrong += order.cycles()
    return verdict("C8", PROMISE, looked_at=order.operations, violations=wrong)


class _Read(NamedTuple):
    versions: Mapping[str, int]
    is_newest: bool = True
    """Whether these were the accounts' newest versions; a page may end before."""


Interval = tuple[int | None, int | None]
"""Beginning and end; None for nobody knows."""


@dataclass(slots=True)
class _Order:
    names: list[str] = field(default_factory=list)
    intervals: list[Interval] = field(default_factory=list)
    edges: list[list[int]] = field(default_factory=list)
    writers: dict[str, dict[int, int]] = field(default_factory=dict)
    """Of each account and version."""
    missing: list[str] = field(default_factory=list)

    @property
    def operations(self) -> int:
        return len(self.names)

    def add_writes(self, journal: Journal, history: Sequence[Operation]) -> None:
        sent = {one.key: one for one in history if one.kind in WRITES}
        nodes: dict[str, int] = {}
        for account_id, events in journal.accounts.items():
            writers = self.writers.setdefault(account_id, {})
            before = None
            for event in events:
                node = nodes.get(event.key)
                if node is None:
                    node = nodes[event.key] = self._add_write(event.key, sent.get(event.key))
                writers[event.version] = node
                if before is not None and before != node:
                    self.edges[before].append(node)
                before = node

    def add_read(self, name: str, interval: Interval, read: _Read) -> None:
        node = self._add(name, interval)
        for account_id, version in read.versions.items():
            writers = self.writers.get(account_id, {})
            if version > 0:
                writer = writers.get(version)
                if writer is None:
                    self.missing.append(
                        f"{name} saw {account_id} at version {version}, which is not there"
                    )
                    continue
                self.edges[writer].append(node)
            following = writers.get(version + 1)
            if read.is_newest and following is not None:
                self.edges[node].append(following)

    def cycles(self) -> Iterator[str]:
        self._add_time()
        for component in cycles(self.edges):
            yield self._told(shortest_cycle(self.edges, component), len(component))

    def _add_write(self, key: str, operation: Operation | None) -> int:
        if operation is None:
            return self._add(f"key {key} of nobody", (None, None))
        known = operation.answered
        end = None if known is None else known.completed_ns
        return self._add(name_of(operation), (operation.invoked_ns, end))

    def _add(self, name: str, interval: Interval) -> int:
        self.names.append(name)
        self.intervals.append(interval)
        self.edges.append([])
        return len(self.names) - 1

    def _add_time(self) -> None:
        ended = sorted(
            (end, node) for node, (_, end) in enumerate(self.intervals) if end is not None
        )
        ends = [end for end, _ in ended]
        first = len(self.edges)
        for number, (_, node) in enumerate(ended):
            self.edges[node].append(first + number)
            self.edges.append([first + number + 1] if number + 1 < len(ended) else [])
        for node, (begin, _) in enumerate(self.intervals):
            over = 0 if begin is None else bisect.bisect_left(ends, begin)
            if over:
                self.edges[first + over - 1].append(node)

    def _told(self, cycle: Sequence[int], size: int) -> str:
        steps: list[str] = []
        in_time = False
        for node in cycle:
            if node >= len(self.names):
                in_time = True
                continue
            steps.append(("in time before " if in_time else "") + self.names[node])
            in_time = False
        more = f" … ({len(steps)} steps)" if len(steps) > SHOWN_MAX else ""
        back = "in time before the first" if in_time else "before the first"
        return (
            f"{size} operations and ends fit no order: "
            f"{' → '.join(steps[:SHOWN_MAX])}{more} → {back}"
        )


def _seen(told: Balance | Listed) -> _Read:
    if isinstance(told, Balance):
        return _Read({told.account: told.version})
    return _Read({told.account_id: told.version}, is_newest=not told.has_more)


def _made_up(journal: Journal, told: Balance | Listed) -> Iterator[str]:
    """Yields what an authoritative read showed and the journal has not."""
    if isinstance(told, Balance):
        difference = unlike(journal, told.account, told.amounts)
        if difference:
            yield difference
        return
    for wanted, shown in enumerate(told.events, told.after + 1):
        event = journal.at(told.account_id, shown.version)
        if shown.version != wanted:
            yield f"shows version {shown.version} of {told.account_id} where {wanted} belongs"
        elif event is None:
            yield f"shows version {shown.version} of {told.account_id}, which is not there"
        elif (shown.account_id, shown.event_id.replace("-", ""), shown.hash) != (
            event.account_id,
            event.event_id.hex(),
            event.hash.hex(),
        ):
            yield f"shows another event as version {shown.version} of {told.account_id}"
