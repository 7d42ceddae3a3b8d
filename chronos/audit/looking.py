"""What every comparison of an audit shares: the snapshot, the report, and its patience."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from chronos.audit.report import Report
from chronos.clock import Clock
from chronos.store.journal_scan import JournalLookup, JournalScan

LOOK_AGAIN_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Until when a copy that is behind is read again."""

    clock: Clock
    until_s: float
    """On the monotonic clock."""

    @property
    def is_over(self) -> bool:
        """Tells whether nothing is waited for any more."""
        return self.clock.monotonic_s() >= self.until_s

    async def pause(self) -> None:
        """Waits a little before looking again."""
        await asyncio.sleep(LOOK_AGAIN_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """One audit under way."""

    scan: JournalScan
    lookup: JournalLookup
    report: Report
    patience: Patience
