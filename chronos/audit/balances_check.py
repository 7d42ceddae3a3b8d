"""Compares the balances of each copy with the journal, one page of accounts at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from chronos.audit.copies import Copy, Shown
from chronos.audit.looking import Audit
from chronos.audit.report import Finding, Report
from chronos.errors import ChronosError, InvariantBroken, Unavailable
from chronos.store.journal_scan import HeadRow, VersionRow

LISTED_AT_ONCE = 500


async def compare_balances(audit: Audit, copies: Sequence[Copy]) -> None:
    """Compares each account of the snapshot in each copy, then looks for accounts too many."""
    watched = [_Watched(audit, copy) for copy in copies]
    async for heads in audit.scan.heads():
        for head in heads:
            _check_sum(audit.report, head)
        audit.report.count("accounts", len(heads))
        audit.report.count("events", sum(head.counted for head in heads))
        async with asyncio.TaskGroup() as group:
            for one in watched:
                group.create_task(one.compare_page(heads))
    for one in watched:
        await one.look_for_strangers()


class _Watched:
    """One copy under comparison; given up after its first fault."""

    def __init__(self, audit: Audit, copy: Copy) -> None:
        self._audit = audit
        self._copy = copy
        self._given_up = False

    async def compare_page(self, heads: Sequence[HeadRow]) -> None:
        await self._unless_given_up(lambda: self._compare(heads))

    async def look_for_strangers(self) -> None:
        await self._unless_given_up(self._strangers)

    async def _unless_given_up(self, work: Callable[[], Awaitable[None]]) -> None:
        if self._given_up:
            return
        try:
            await work()
        except (Unavailable, InvariantBroken) as fault:
            self._given_up = True
            self._note(None, None, _sentence(fault))

    async def _compare(self, heads: Sequence[HeadRow]) -> None:
        left = list(heads)
        while left:
            names = [head.account_id for head in left]
            shown = dict(zip(names, await self._copy.read_many(names), strict=True))
            behind = [head for head in left if _is_behind(shown[head.account_id], head)]
            settled = [head for head in left if not _is_behind(shown[head.account_id], head)]
            await self._judge(settled, shown)
            if self._audit.patience.is_over:
                self._note_behind(behind, shown)
                return
            left = behind
            if left:
                await self._audit.patience.pause()

    async def _judge(self, heads: Sequence[HeadRow], shown: dict[str, Shown | None]) -> None:
        """Compares what is not behind the snapshot with the journal at the version shown."""
        ahead = [
            (one.account_id, one.version)
            for head in heads
            if (one := shown[head.account_id]) is not None and one.version > head.version
        ]
        later = await self._audit.lookup.at_versions(ahead) if ahead else {}
        for head in heads:
            one = shown[head.account_id]
            if one is None:
                continue
            truth = _truth(head, one, later.get((one.account_id, one.version)))
            self._compare_one(head, one, truth)

    def _compare_one(self, head: HeadRow, shown: Shown, truth: Shown | None) -> None:
        if truth is None:
            detail = f"shows version {shown.version}, which the journal does not have"
            self._note(head.account_id, shown.version, detail)
            return
        for name in Shown._fields:
            said, stored = getattr(shown, name), getattr(truth, name)
            if said != stored and said is not None:
                detail = f"shows {name} {said}, the journal has {stored}"
                self._note(head.account_id, shown.version, detail)

    def _note_behind(self, heads: Sequence[HeadRow], shown: dict[str, Shown | None]) -> None:
        for head in heads:
            one = shown[head.account_id]
            state = "does not have it" if one is None else f"is at version {one.version}"
            detail = f"{state}, the journal is at version {head.version}"
            self._note(head.account_id, head.version, detail)

    async def _strangers(self) -> None:
        page: list[str] = []
        async for account_id in self._copy.account_ids():
            page.append(account_id)
            if len(page) == LISTED_AT_ONCE:
                await self._note_strangers(page)
                page = []
        await self._note_strangers(page)

    async def _note_strangers(self, page: Sequence[str]) -> None:
        known = await self._audit.lookup.known_accounts(page) if page else set()
        for account_id in page:
            if account_id not in known:
                self._note(account_id, None, "has it, the journal does not")

    def _note(self, account_id: str | None, version: int | None, detail: str) -> None:
        name = self._copy.name
        text = detail if account_id is None else f"{name} {detail}"
        self._audit.report.add(
            Finding(check=name, account_id=account_id, version=version, detail=text)
        )


def _check_sum(report: Report, head: HeadRow) -> None:
    if head.summed != head.booked:
        detail = f"its amounts sum to {head.summed}, its last event says {head.booked}"
        report.add(
            Finding(
                check="journal", account_id=head.account_id, version=head.version, detail=detail
            )
        )


def _is_behind(shown: Shown | None, head: HeadRow) -> bool:
    return shown is None or shown.version < head.version


def _truth(head: HeadRow, shown: Shown, later: VersionRow | None) -> Shown | None:
    if shown.version == head.version:
        booked, held, digest = head.booked, head.held, head.hash
    elif later is not None:
        booked, held, digest = later.booked, later.held, later.hash
    else:
        return None
    limit = head.overdraft_limit if later is None else later.overdraft_limit
    return Shown(
        account_id=head.account_id,
        version=shown.version,
        currency=head.currency,
        booked=booked,
        held=held,
        available=booked - held + (limit or 0),
        hash=digest,
    )


def _sentence(fault: ChronosError) -> str:
    return str(fault).rstrip(".")
