"""C3 and C4: what was acknowledged is there, and what is there was asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import msgspec

from chronos.chaos.checkers.content import Contents, said
from chronos.chaos.checkers.told import (
    WRITES,
    answered,
    by_key,
    name_of,
    receipt_of,
    unlike,
)
from chronos.chaos.history import Attempt, Operation, Outcome
from chronos.chaos.readers.facts import Event, Journal
from chronos.chaos.verdict import Verdict, verdict

NO_LOST_ACK = (
    "everything that was acknowledged is in the journal, with the same content, and left the "
    "balances that the answer told"
)
NO_PHANTOM = (
    "every event has a command of the same key and content that was granted, or of which "
    "nobody knew; none belongs to a refusal"
)


def no_lost_ack(journal: Journal, history: Sequence[Operation]) -> Verdict:
    """C3: each granted command has exactly its events."""
    groups, contents = by_key(journal), Contents(journal)
    receipts = {key: receipt for (_, key), receipt in journal.receipts.items()}
    wrong: list[str] = []
    looked_at = 0
    for operation, attempt in answered(history, *WRITES):
        looked_at += 1
        name = name_of(operation)
        events = groups.get(operation.key, [])
        receipt = receipts.get(operation.key)
        if receipt is None:
            wrong.append(f"{name} was acknowledged, its key has no receipt in the journal")
        elif receipt.status != attempt.status or receipt.digest != _sha256(attempt.reply):
            wrong.append(f"{name} was told another answer than the receipt in the journal")
        if not events:
            wrong.append(f"{name} was acknowledged, the journal has nothing of it")
            continue
        difference = contents.unlike(operation, events)
        if difference:
            wrong.append(f"{name} {difference}")
        wrong += [f"{name}: {what}" for what in _told_wrongly(journal, attempt, events)]
    return verdict("C3", NO_LOST_ACK, looked_at=looked_at, violations=wrong)


def no_phantom(journal: Journal, history: Sequence[Operation]) -> Verdict:
    """C4: each event was asked for."""
    groups, contents = by_key(journal), Contents(journal)
    asked = {one.key: one for one in history if one.kind in WRITES}
    wrong: list[str] = []
    looked_at = 0
    for key, events in groups.items():
        looked_at += len(events)
        wrong += _invented(contents, key, asked.get(key), events)
    for (_, key), receipt in journal.receipts.items():
        if key not in asked and not key.startswith("expire:"):
            wrong.append(f"the journal has a receipt for key {key}, which nobody sent")
        if receipt.status >= 400 and key in groups:
            wrong.append(f"key {key} was refused and led to {_words(groups[key])}")
    return verdict("C4", NO_PHANTOM, looked_at=looked_at, violations=wrong)


def _invented(
    contents: Contents, key: str, operation: Operation | None, events: Sequence[Event]
) -> Iterator[str]:
    if operation is None:
        yield from _unasked(key, events)
    elif operation.outcome is Outcome.FAIL:
        yield f"{name_of(operation)} was refused and led to {_words(events)}"
    elif operation.outcome is Outcome.INFO:
        # A granted one is compared by C3.
        difference = contents.unlike(operation, events)
        if difference:
            yield f"{name_of(operation)}, never answered, {difference}"


def _told_wrongly(journal: Journal, attempt: Attempt, events: Sequence[Event]) -> Iterator[str]:
    try:
        told = receipt_of(attempt)
    except msgspec.MsgspecError as error:
        yield f"its answer cannot be read: {error}"
        return
    if told.position != events[-1].position:
        yield f"was told position {told.position}, its last event is at {events[-1].position}"
    last = {event.account_id: event for event in events}
    if told.accounts.keys() != last.keys():
        yield f"was told of accounts {sorted(told.accounts)}, changed {sorted(last)}"
    for account_id, amounts in told.accounts.items():
        difference = unlike(journal, account_id, amounts)
        if difference:
            yield difference
        elif account_id in last and last[account_id].version != amounts.version:
            yield (
                f"left {account_id} at version {last[account_id].version}, was told "
                f"{amounts.version}"
            )


def _unasked(key: str, events: Sequence[Event]) -> Iterator[str]:
    """Yields what nobody asked for; the expiry of a hold is asked for by the hold itself."""
    for event in events:
        # That its time had come was reckoned when it was folded.
        if event.type != "HoldExpired" or key.partition("/")[0] != f"expire:{event.hold_id}":
            yield f"nobody sent key {key}, which led to {said(event)}"


def _words(events: Sequence[Event]) -> str:
    return f"[{'; '.join(map(said, events))}]"


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
