"""C2: whoever looked at all accounts at once saw all of the money, during every fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from chronos.chaos.checkers.told import Snapshot, answered, name_of, snapshot_of
from chronos.chaos.history import Kind, Operation
from chronos.chaos.readers.facts import Journal
from chronos.chaos.verdict import Verdict, verdict

PROMISE = (
    "every snapshot of all accounts sums to the bank's fixed total, which is zero with the "
    "settlement accounts, and shows each balance as the journal has it at that version"
)


def snapshot_sums(
    journal: Journal, history: Sequence[Operation], *, snapshots_min: int
) -> Verdict:
    """C2: every snapshot sums to the total, per currency."""
    wrong: list[str] = []
    opened_by = _openings(history)
    looked_at = 0
    for operation, attempt in answered(history, Kind.SNAPSHOT):
        looked_at += 1
        name = name_of(operation)
        try:
            snapshot = snapshot_of(attempt)
        except msgspec.MsgspecError as error:
            wrong.append(f"{name} cannot be read: {error}")
            continue
        wrong += [f"{name}: {what}" for what in _wrong(journal, snapshot)]
        wrong += [
            f"{name} does not show {account_id}, which was opened before"
            for account_id, at_ns in opened_by.items()
            if at_ns < attempt.invoked_ns and account_id not in snapshot.accounts
        ]
    invalid = ""
    if looked_at < snapshots_min:
        invalid = f"{looked_at} snapshots were read, a run needs {snapshots_min}"
    return verdict("C2", PROMISE, looked_at=looked_at, violations=wrong, invalid=invalid)


def _openings(history: Sequence[Operation]) -> dict[str, int]:
    """Tells when each account was known to be open."""
    opened: dict[str, int] = {}
    for operation, attempt in answered(history, Kind.OPEN):
        if attempt.completed_ns is not None:
            opened[msgspec.json.decode(operation.body)["id"]] = attempt.completed_ns
    return opened


def _wrong(journal: Journal, snapshot: Snapshot) -> Iterator[str]:
    totals: Counter[str] = Counter()
    for account_id, (version, booked, held) in snapshot.accounts.items():
        totals[journal.opened.get(account_id, "?")] += booked
        event = journal.at(account_id, version)
        if event is None:
            yield f"{account_id} is shown at version {version}, which the journal has not"
        elif (booked, held) != (event.booked, event.held):
            yield (
                f"{account_id} is shown at version {version} with {booked} and {held} held; "
                f"the journal has {event.booked} and {event.held}"
            )
    for currency, total in totals.items():
        if total:
            yield f"the accounts sum to {total} {currency}"
