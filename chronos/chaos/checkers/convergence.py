"""C7: read models end up equal to the journal, and showed nothing made up on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from chronos.chaos.checkers.told import (
    Balance,
    answered,
    balance_of,
    min_version_of,
    name_of,
    shown,
    unlike,
)
from chronos.chaos.history import Kind, Operation
from chronos.chaos.readers.facts import OWN_SOURCE, Copies, Copy, Entries, Event, Journal
from chronos.chaos.verdict import Verdict, verdict

PROMISE = (
    "in the end the view, which answers from the table, the table's changelog, Redis and "
    "Elasticsearch show each account as the journal has it; "
    "until then each projected read was at least its `min_version`, never went back for a "
    "client, and showed the journal's balance of that version"
)


def convergence(
    journal: Journal,
    history: Sequence[Operation],
    copies: Sequence[Copies],
    entries: Entries,
) -> Verdict:
    """C7: one truth in every place."""
    wrong: list[str] = []
    looked_at = 0
    for one in copies:
        looked_at += len(one.accounts)
        wrong += [f"{one.name}: {what}" for what in _copy(journal, one)]
    wrong += _history_index(journal, entries)
    reads = list(answered(history, Kind.PROJECTED))
    wrong += _reads(journal, history)
    return verdict("C7", PROMISE, looked_at=looked_at + len(reads), violations=wrong)


def _copy(journal: Journal, copies: Copies) -> Iterator[str]:
    yield from copies.flaws
    for account_id, events in journal.accounts.items():
        copy = copies.accounts.get(account_id)
        if copy is None:
            yield f"{account_id} is absent"
        elif events:
            yield from _unequal(copy, events[-1])
    for account_id in copies.accounts.keys() - journal.accounts.keys():
        yield f"{account_id} is not in the journal"


def _unequal(copy: Copy, last: Event) -> Iterator[str]:
    place = last.account_id + (f" (from {copy.source})" if copy.source else "")
    if copy.amounts != last.amounts:
        yield f"{place} is at {shown(copy.amounts)}; the journal at {shown(last.amounts)}"
    elif copy.hash and copy.hash != last.hash:
        yield f"{place} has hash {copy.hash.hex()}, the journal {last.hash.hex()}"
    elif copy.event_id and copy.event_id != last.event_id:
        yield f"{place} ends with event {copy.event_id.hex()}, not {last.event_id.hex()}"
    elif copy.is_stand_in:
        yield f"{place} is not shown from the {OWN_SOURCE}, though everything is whole"


def _history_index(journal: Journal, entries: Entries) -> Iterator[str]:
    if entries.counted != journal.events_count:
        yield f"Elasticsearch counts {entries.counted} events, there are {journal.events_count}"
    left = set(entries.event_ids)
    for events in journal.accounts.values():
        for event in events:
            if event.event_id not in left:
                yield (
                    f"Elasticsearch has no entry of {event.account_id} version {event.version}"
                )
            left.discard(event.event_id)
    for event_id in left:
        yield f"Elasticsearch has an entry of event {event_id.hex()}, which is not there"


def _reads(journal: Journal, history: Sequence[Operation]) -> Iterator[str]:
    newest: Counter[tuple[int, str]] = Counter()
    reads = list(answered(history, Kind.PROJECTED))
    # The reads of one process come one after the other, so its answers are in order.
    for operation, attempt in sorted(reads, key=lambda read: read[1].invoked_ns):
        name = name_of(operation)
        try:
            balance = balance_of(attempt)
        except msgspec.MsgspecError as error:
            yield f"{name} cannot be read: {error}"
            continue
        yield from (f"{name}: {what}" for what in _made_up(journal, operation, balance))
        seen = newest[operation.process, balance.account]
        if balance.version < seen:
            yield (
                f"{name} went back to version {balance.version} of {balance.account} "
                f"({balance.source}), after version {seen}"
            )
        newest[operation.process, balance.account] = max(seen, balance.version)


def _made_up(journal: Journal, operation: Operation, balance: Balance) -> Iterator[str]:
    asked = min_version_of(operation)
    if balance.version < asked:
        yield f"asked {balance.account} for version {asked}, was shown {balance.version}"
    difference = unlike(journal, balance.account, balance.amounts)
    if difference:
        yield f"{difference} ({balance.source})"
