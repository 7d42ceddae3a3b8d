"""C9: one key, one execution, one answer; in the history, and under fifty requests at once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from chronos.chaos.checkers.told import WRITES, by_key
from chronos.chaos.history import Attempt, Kind, Operation, Outcome
from chronos.chaos.readers.facts import Event, Journal
from chronos.chaos.verdict import Verdict, verdict

PROMISE = (
    "one key led to one set of events at most, and every answer to it is the first one again, "
    "byte for byte and marked as repeated"
)
_ONCE = ("AccountOpened", "HoldPlaced", "HoldCaptured", "HoldVoided", "HoldExpired")


def idempotent(
    journal: Journal, history: Sequence[Operation], probed: Sequence[str]
) -> Verdict:
    """C9: a key is used up by its first use.

    Args:
        journal: What is stored.
        history: What was sent.
        probed: What the fifty requests at once found wrong.
    """
    wrong = list(probed)
    groups = by_key(journal)
    for key, events in groups.items():
        wrong += [f"key {key} {what}" for what in _several(events)]
    sent: defaultdict[str, list[Operation]] = defaultdict(list)
    for operation in history:
        if operation.kind in WRITES or operation.kind is Kind.RETRY:
            sent[operation.key].append(operation)
    kept = {key for _, key in journal.receipts}
    for key, operations in sent.items():
        # What is no decision (a request that cannot be read, say) is not kept under its key.
        if key in kept or any(one.outcome is Outcome.OK for one in operations):
            wrong += [f"key {key} {what}" for what in _answers(operations)]
    return verdict("C9", PROMISE, looked_at=len(sent), violations=wrong)


def _several(events: Sequence[Event]) -> Iterator[str]:
    transfers = {event.transfer_id for event in events if event.amount}
    if len(transfers) > 1:
        yield f"led to transfers {', '.join(sorted(transfers))}"
    # Two executions that took the same id would be two legs of one number: C5 counts them.
    for kind, count in Counter(event.type for event in events).items():
        if kind in _ONCE and count > 1:
            yield f"led to {count} times {kind}"


def _answers(operations: Sequence[Operation]) -> Iterator[str]:
    asked = {(one.method, one.path, one.body) for one in operations}
    if len(asked) > 1:
        yield f"was sent with {len(asked)} meanings"
    attempts = [attempt for one in operations for attempt in one.attempts]
    known = [one for one in attempts if one.outcome is not Outcome.INFO]
    if not known:
        return
    known.sort(key=lambda attempt: attempt.completed_ns or 0)
    first = known[0]
    for later in known[1:]:
        if (later.status, later.reply, later.location) != (
            first.status,
            first.reply,
            first.location,
        ):
            yield f"was answered with {_shown(first)} and then with {_shown(later)}"
    yield from _marks(attempts, known)


def _marks(attempts: Sequence[Attempt], known: Sequence[Attempt]) -> Iterator[str]:
    """Yields what is wrong with the mark of a repeated answer.

    Of several requests at once any may be the one that was executed; it may also be one whose
    answer nobody got. But whatever was sent after an answer is a repetition, and what no other
    request came before is none.
    """
    if sum(not one.replayed for one in known) > 1:
        yield "was executed anew, says more than one answer"
    first_end = known[0].completed_ns or 0
    for one in known[1:]:
        if one.invoked_ns > first_end and not one.replayed:
            yield f"was answered with {_shown(one)} after its first answer, not as repeated"
    earlier = [one for one in attempts if one.invoked_ns < first_end and one is not known[0]]
    if not earlier and known[0].replayed:
        yield "was answered as repeated at its first use"


def _shown(attempt: Attempt) -> str:
    return f"{attempt.status} {attempt.location} {attempt.reply[:160]}"
