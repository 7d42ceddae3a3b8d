"""C1, C5 and C10: what the journal must say of itself, whoever wrote it."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator

from chronos.chaos.readers.facts import Event, Journal
from chronos.chaos.verdict import Verdict, verdict

ZERO_SUM = "the postings of each transfer sum to zero in each currency, and so does the bank"
GAPLESS = (
    "each account has versions 1, 2, 3 …, each transfer all its postings, and every sum and "
    "hash follows from the events before it"
)
NO_OVERDRAFT = "no account was ever below its limit, after any of its events"


def zero_sum(journal: Journal) -> Verdict:
    """C1: money is moved, never made."""
    sums: Counter[tuple[str, str]] = Counter()
    totals: Counter[str] = Counter()
    wrong: list[str] = []
    for account_id, events in journal.accounts.items():
        currencies = sorted({event.currency for event in events})
        if len(currencies) > 1 or currencies[:1] != [journal.opened.get(account_id)]:
            wrong.append(
                f"{account_id}, opened in {journal.opened.get(account_id)}, has events in "
                f"{', '.join(currencies)}"
            )
        for event in events:
            if event.amount:
                sums[event.transfer_id, event.currency] += event.amount
                totals[event.currency] += event.amount
    wrong += [
        f"transfer {transfer_id} leaves {excess} {currency} over"
        for (transfer_id, currency), excess in sums.items()
        if excess
    ]
    wrong += [
        f"the bank has {total} {name} too much" for name, total in totals.items() if total
    ]
    return verdict("C1", ZERO_SUM, looked_at=len(sums), violations=wrong)


def gapless(journal: Journal) -> Verdict:
    """C5: nothing is missing inside the journal, and nothing is half there."""
    wrong = [*_gaps(journal), *_halves(journal), *_strangers(journal), *journal.flaws]
    # Of many flaws the reader keeps the first in words.
    wrong += ["…"] * (journal.flaws_count - len(journal.flaws))
    return verdict("C5", GAPLESS, looked_at=journal.events_count, violations=wrong)


def no_overdraft(journal: Journal) -> Verdict:
    """C10: available never fell below zero where there is a limit."""
    wrong: list[str] = []
    looked_at = 0
    for events in journal.accounts.values():
        for event in events:
            if event.overdraft_limit is None:
                if event.kind == "customer":
                    wrong.append(f"{event.account_id} is a customer's and has no limit")
                continue
            looked_at += 1
            if event.available < 0:
                wrong.append(
                    f"{event.account_id} version {event.version} ({event.type}): booked "
                    f"{event.booked}, held {event.held}, limit {event.overdraft_limit}"
                )
    return verdict("C10", NO_OVERDRAFT, looked_at=looked_at, violations=wrong)


def _gaps(journal: Journal) -> Iterator[str]:
    for account_id, events in journal.accounts.items():
        position = 0
        for wanted, event in enumerate(events, 1):
            if event.version != wanted:
                yield f"{account_id} has version {event.version} where {wanted} belongs"
                break
            if event.position <= position:
                yield (
                    f"{account_id} version {event.version} is at position {event.position}, "
                    f"the version before at {position}"
                )
            position = event.position
        openings = sum(event.type == "AccountOpened" for event in events)
        if events and (events[0].type != "AccountOpened" or openings != 1):
            yield f"{account_id} begins with {events[0].type} and opens {openings} times"


def _halves(journal: Journal) -> Iterator[str]:
    legs: defaultdict[str, list[Event]] = defaultdict(list)
    for event in _all(journal):
        if event.amount:
            legs[event.transfer_id].append(event)
    for transfer_id, events in legs.items():
        numbers = sorted(event.leg for event in events)
        wanted = sorted({event.legs for event in events})
        if wanted != [len(events)] or numbers != list(range(len(events))):
            yield f"transfer {transfer_id} has postings {numbers} and should have {wanted}"
        if len({(event.principal, event.key) for event in events}) != 1:
            yield f"transfer {transfer_id} has postings of several commands"
    for event in _all(journal):
        if event.type == "HoldCaptured" and event.transfer_id not in legs:
            yield f"hold {event.hold_id} was captured without its transfer {event.transfer_id}"


def _all(journal: Journal) -> Iterator[Event]:
    return itertools.chain.from_iterable(journal.accounts.values())


def _strangers(journal: Journal) -> Iterator[str]:
    for name in sorted(journal.opened.keys() ^ journal.accounts.keys()):
        if name in journal.opened:
            yield f"account {name} is known and has no event"
        else:
            yield f"account {name} has events and is not known"
