"""The ledger: what every door (HTTP, gRPC, command line) calls to make something happen."""

from __future__ import annotations

from dataclasses import replace

from chronos.ledger.ports import Journal, References
from chronos.ledger.resolve import resolved
from chronos.wire.booking import AnyAttempt
from chronos.wire.receipt import OK, Receipt, too_large_receipt


class Ledger:
    """Executes commands: exactly once for each principal and idempotency key."""

    def __init__(self, journal: Journal, references: References):
        self._journal = journal
        self._references = references

    async def execute(self, attempt: AnyAttempt) -> Receipt:
        """Executes an attempt, or gives the receipt of the earlier one with its key.

        Raises:
            Unavailable: The outcome is unknown; the same attempt may be sent again.
        """
        complete = await resolved(attempt, self._references)
        if complete is None:
            return _too_large(attempt)
        return await self._journal.submit(complete)

    async def preview(self, attempt: AnyAttempt) -> Receipt:
        """Tells what an attempt would bring now, with status 200 if granted; changes nothing.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        complete = await resolved(attempt, self._references)
        if complete is None:
            return _too_large(attempt)
        receipt = await self._journal.preview(complete)
        if receipt.location is None:
            return receipt
        return replace(receipt, status=OK, location=None)


def _too_large(attempt: AnyAttempt) -> Receipt:
    return too_large_receipt(instance=attempt.instance, request_id=attempt.request_id)
