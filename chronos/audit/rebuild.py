"""Makes a copy of the journal anew: what is the same for every copy.

A shadow is a copy that nobody reads yet. `bring_up` compares how far it is with how far the
journal is, account by account, and writes what it lacks, folded from the journal's own bytes;
each event's version, after-values and hash chain are proved on the way. The same walk fills an
empty shadow, goes on with one whose rebuild was killed, and catches up with what was written
meanwhile; there is no progress to be kept anywhere but in the shadow itself.

`prove` compares the whole shadow with one snapshot of the journal. Only what it finds equal may
take the place of the old copy.

Bounds: one page of accounts, one page of events.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from chronos.audit.balances_check import compare_balances
from chronos.audit.copies import Copy, Shown
from chronos.audit.events_check import compare_entries
from chronos.audit.looking import Audit, Patience
from chronos.audit.report import Finding, Report
from chronos.clock import SystemClock
from chronos.errors import ChronosError, InvariantBroken, Unavailable
from chronos.mirror.entries import EntryIndex
from chronos.store.journal_pages import JournalEvent, JournalPages, Reached, Stretch
from chronos.store.journal_scan import JournalScan, open_lookup
from chronos.wire.balance import Balance, fold
from chronos.wire.codec import UnreadableEvent, decode_event

_T = TypeVar("_T")
# Two minutes: a server under load refuses for a while, and one that is started again takes its
# time.
_PAUSES_S = (0.25, 0.5, 1.0, *[2.0] * 60)

Progress = Callable[[str, int, int], None]
"""Told the phase, how many events of it are done, and of how many."""


class RebuildFailed(ChronosError):
    """Says that the new copy differs from the journal, so that it did not take over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a shadow is with one account."""

    balance: Balance | None
    """As the shadow has it."""
    events_until: int
    """It has every event up to this version; the balance's own where it keeps no events."""


class Shadow(Protocol):
    """A copy in the making."""

    async def standing(self, accounts: Sequence[Reached]) -> Sequence[Standing]:
        """Tells how far it is with each account, in the order asked."""
        ...

    async def write(self, events: Sequence[JournalEvent], balances: Sequence[Balance]) -> None:
        """Takes events, and balances that include them; both may come again."""
        ...


@dataclass(slots=True)
class Tally:
    """Counts what a rebuild did."""

    progress: Progress
    events: int = 0
    """Events that were written."""


async def bring_up_all(
    shadow: Shadow, pages: JournalPages, tally: Tally, *, phase: str
) -> None:
    """Brings every account of a shadow up to the journal.

    Raises:
        InvariantBroken: The journal contradicts itself.
        Unavailable: PostgreSQL or the copy's server does not answer; running again goes on.
    """
    total = await pages.count_events()
    done = 0
    tally.progress(phase, 0, total)
    async for accounts in pages.reached():
        passed = done

        def advance(events: int, before: int = passed) -> None:
            tally.progress(phase, min(before + events, total), total)

        tally.events += await bring_up(shadow, pages, accounts, advance)
        done += sum(one.version for one in accounts)
        tally.progress(phase, min(done, total), total)


async def bring_up(
    shadow: Shadow,
    pages: JournalPages,
    accounts: Sequence[Reached],
    advance: Callable[[int], None] = lambda _: None,
) -> int:
    """Brings accounts of a shadow up to the versions that the journal has reached.

    Returns:
        How many events had to be written.
    """
    standing = await patiently(lambda: shadow.standing(accounts))
    folded: dict[str, Balance] = {}
    stretches: list[Stretch] = []
    for account, one in zip(accounts, standing, strict=True):
        balance_until = 0
        if one.balance is not None:
            folded[account.account_id] = one.balance
            balance_until = one.balance.version
        after = min(balance_until, one.events_until)
        if after < account.version:
            stretches.append(Stretch(account.account_id, after, account.version))
    written = 0
    async for events in pages.events(stretches):
        balances = _fold_all(folded, events)
        await patiently(partial(shadow.write, events, balances))
        written += len(events)
        advance(written)
    return written


async def patiently(work: Callable[[], Awaitable[_T]]) -> _T:
    """Does work that may be repeated, again for a while when a server does not answer.

    Raises:
        Unavailable: It still did not answer at the last try.
    """
    for pause_s in _PAUSES_S:
        try:
            return await work()
        except Unavailable:
            await asyncio.sleep(pause_s)
    return await work()


async def prove(
    scan: JournalScan, dsn: str, copy: Copy, entries: EntryIndex | None = None
) -> Report:
    """Compares a shadow with the snapshot of `scan`: accounts, versions, hashes, amounts, sums.

    Raises:
        RebuildFailed: Something differs; the shadow may not take over.
    """
    report = Report("rebuild")
    summed = _Summed(copy)
    async with open_lookup(dsn) as lookup:
        patience = Patience(clock=SystemClock(), until_s=0.0)
        audit = Audit(scan=scan, lookup=lookup, report=report, patience=patience)
        await compare_balances(audit, (summed,))
        if entries is not None:
            await compare_entries(audit, entries)
        for currency, (total, _) in (await scan.totals()).items():
            if summed.totals[currency] != total:
                detail = (
                    f"all balances in {currency} sum to {summed.totals[currency]},"
                    f" the journal's amounts to {total}"
                )
                report.add(Finding(check=copy.name, detail=detail))
    if not report.is_clean:
        raise RebuildFailed(
            "The new copy differs from the journal and is not used; the old one stays. "
            + "\n".join(report.lines()[:10])
        )
    return report


def _fold_all(folded: dict[str, Balance], events: Iterable[JournalEvent]) -> list[Balance]:
    """Folds events into the balances known so far; gives those that changed."""
    changed: dict[str, Balance] = {}
    for event in events:
        before = folded.get(event.account_id)
        if before is not None and before.version >= event.version:
            continue
        try:
            recorded = decode_event(event.body)
        except UnreadableEvent as fault:
            raise InvariantBroken(
                f"Account {event.account_id}, version {event.version}: the journal's bytes "
                f"cannot be read: {fault}. Run `chronos verify`.",
                account_id=event.account_id,
                version=event.version,
            ) from fault
        after = fold(before, recorded, event.body, event.hash)
        folded[event.account_id] = changed[event.account_id] = after
    return list(changed.values())


class _Summed:
    """A copy whose balances are added up while they are compared."""

    def __init__(self, copy: Copy) -> None:
        self._copy = copy
        self.name = copy.name
        self.totals: Counter[str] = Counter()

    async def read_many(self, account_ids: Sequence[str]) -> list[Shown | None]:
        found = await self._copy.read_many(account_ids)
        for shown in found:
            if shown is not None:
                self.totals[shown.currency] += shown.booked
        return found

    def account_ids(self) -> AsyncIterator[str]:
        return self._copy.account_ids()
