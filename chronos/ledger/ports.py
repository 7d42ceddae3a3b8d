"""What the ledger needs of the world."""

from __future__ import annotations

from typing import Protocol

from chronos.wire.booking import AnyAttempt
from chronos.wire.receipt import Receipt
from chronos.wire.references import Referred, Wanted


class Journal(Protocol):
    """Commits attempts, many in one transaction if it likes, and answers each."""

    async def submit(self, attempt: AnyAttempt) -> Receipt:
        """Commits one attempt and gives its receipt, or the stored one of the same key.

        Raises:
            Unavailable: PostgreSQL does not answer; nothing is known of the attempt's outcome.
            DeadlineExceeded: It took too long; the outcome is unknown.
            Overloaded: Too many attempts wait; nothing was done.
        """
        ...

    async def preview(self, attempt: AnyAttempt) -> Receipt:
        """Decides an attempt on the present state and writes nothing.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        ...


class References(Protocol):
    """Looks up the accounts that commands refer to without naming them."""

    async def refer(self, wanted: Wanted) -> Referred:
        """Looks up all that is wanted, as it is committed now.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        ...
