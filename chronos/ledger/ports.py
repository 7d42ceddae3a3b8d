"""What the ledger needs of the world."""

from __future__ import annotations

from typing import Protocol

from chronos.wire.booking import Attempt
from chronos.wire.receipt import Receipt


class Journal(Protocol):
    """Commits attempts, many in one transaction if it likes, and answers each."""

    async def submit(self, attempt: Attempt) -> Receipt:
        """Commits one attempt and gives its receipt, or the stored one of the same key.

        Raises:
            Unavailable: PostgreSQL does not answer; nothing is known of the attempt's outcome.
            DeadlineExceeded: It took too long; the outcome is unknown.
            Overloaded: Too many attempts wait; nothing was done.
        """
        ...

    async def preview(self, attempt: Attempt) -> Receipt:
        """Decides an attempt on the present state and writes nothing.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        ...
