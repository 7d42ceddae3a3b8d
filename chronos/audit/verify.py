"""Proves the journal from PostgreSQL alone.

What is proved, in one snapshot: versions of each account are 1, 2, 3 … without a gap; each
hash is that of the chain; each body says what its columns say; the fold of the events gives the
stored after-values; no debit takes an account beyond its overdraft limit, at any version;
positions and instants grow within an account; each transfer sums to zero in each currency; and
so does the whole bank. Memory is bounded: one page of rows and one account's state.
"""

from __future__ import annotations

from collections.abc import Callable

from chronos.audit.proof import JournalProof
from chronos.audit.report import FINDINGS_MAX, Finding, Report
from chronos.domain.events import AccountOpened
from chronos.store.journal_scan import JournalScan, Scanned, open_scan
from chronos.wire.codec import UnreadableEvent, decode_event

PROGRESS_EVENTS = 10_000

Progress = Callable[[int], None]


async def verify(dsn: str, *, progress: Progress | None = None) -> Report:
    """Proves the journal in the database at `dsn`.

    Args:
        dsn: PostgreSQL, as any role that may read the journal.
        progress: Called with the number of events proved, now and then.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    report = Report("verify")
    async with open_scan(dsn) as scan:
        totals = await _prove_events(scan, report, progress)
        await _prove_transfers(scan, report)
        for account_id in await scan.accounts_without_events(FINDINGS_MAX):
            report.add(
                Finding(check="identity", account_id=account_id, detail="has no event at all")
            )
    for currency, total in sorted(totals.items()):
        if total:
            detail = f"all amounts in {currency} sum to {total}, not to zero"
            report.add(Finding(check="grand_total", detail=detail))
    report.facts["grand_totals"] = dict(sorted(totals.items()))
    return report


async def _prove_events(
    scan: JournalScan, report: Report, progress: Progress | None
) -> dict[str, int]:
    proof = JournalProof()
    events = 0
    async for scanned in scan.events():
        events += 1
        for finding in proof.take(scanned.event):
            report.add(finding)
        if scanned.event.version == 1:
            _prove_identity(scanned, report)
        if progress is not None and events % PROGRESS_EVENTS == 0:
            progress(events)
    report.count("accounts", proof.accounts)
    report.count("events", events)
    return dict(proof.totals)


async def _prove_transfers(scan: JournalScan, report: Report) -> None:
    for row in await scan.unbalanced_transfers(FINDINGS_MAX):
        detail = (
            f"transfer {row.transfer_id} has {row.postings} postings in {row.currency} "
            f"that sum to {row.excess}, not to zero"
        )
        report.add(Finding(check="zero_sum", detail=detail))


def _prove_identity(scanned: Scanned, report: Report) -> None:
    row = scanned.event
    try:
        event = decode_event(row.body).event
    except UnreadableEvent:
        return
    if not isinstance(event, AccountOpened):
        return
    said = (event.currency, event.kind.value, event.external_id)
    stored = (scanned.opened_currency, scanned.opened_kind, scanned.opened_external_id)
    if said != stored:
        detail = f"its first event says {said}, its identity row {stored}"
        report.add(
            Finding(
                check="identity",
                account_id=row.account_id,
                version=1,
                position=row.position,
                detail=detail,
            )
        )
