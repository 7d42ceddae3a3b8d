"""Running an attempt for a door, and counting what came of it: one way for every door."""

from __future__ import annotations

from functools import cache
from typing import Protocol

from prometheus_client import Counter

from chronos.errors import Unavailable
from chronos.ledger.booking import BATCH
from chronos.telemetry import metrics
from chronos.wire.booking import AnyAttempt, Attempt
from chronos.wire.problems import code_in
from chronos.wire.receipt import Receipt


class Executor(Protocol):
    """What runs attempts: the ledger."""

    async def execute(self, attempt: AnyAttempt) -> Receipt:
        """Executes an attempt."""
        ...

    async def preview(self, attempt: AnyAttempt) -> Receipt:
        """Tells what an attempt would bring."""
        ...


async def run_counted(ledger: Executor, attempt: AnyAttempt, *, dry_run: bool) -> Receipt:
    """Executes an attempt, or previews it, and counts its outcome.

    Raises:
        Unavailable: The outcome is unknown; the same attempt may be sent again.
    """
    command = type(attempt.command).__name__ if isinstance(attempt, Attempt) else BATCH
    try:
        if dry_run:
            receipt = await ledger.preview(attempt)
            outcome = "previewed"
        else:
            receipt = await ledger.execute(attempt)
            outcome = _outcome(receipt)
    except Unavailable:
        _commands(command, "unavailable").inc()
        raise
    _commands(command, outcome).inc()
    if outcome == "refused" and (code := code_in(receipt.body)) is not None:
        metrics.REJECTIONS.labels(code=code).inc()
    return receipt


def _outcome(receipt: Receipt) -> str:
    if receipt.replayed:
        return "replayed"
    return "booked" if receipt.status < 400 else "refused"


@cache
def _commands(command: str, outcome: str) -> Counter:
    return metrics.COMMANDS.labels(command=command, outcome=outcome)
