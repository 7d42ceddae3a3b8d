"""Who accounts are, remembered: what a lane has read once of an account it never reads again.

An account's row in `accounts` is inserted once and never changes (a trigger refuses it), so
currency, kind and the day of its opening are the same for every command on it. Reading them
anew with each head, and making values of them anew, cost a quarter of the reading. What does
change is read each time, behind the lock.

Only what was committed is remembered: rows that a snapshot showed. A server that was restored
to an earlier moment has ended every connection, and whoever connects again starts with nothing.

Bound: `IDENTITIES_MAX` accounts; when there are more, all are forgotten and read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from chronos.domain.chart import AccountKind

IDENTITIES_MAX: Final = 16_384


class Identity(NamedTuple):
    """What never changes of an account."""

    currency: str
    kind: AccountKind
    opened_on: date


class Identities:
    """The accounts that one connection has met."""

    __slots__ = ("_known", "_zone")

    def __init__(self, zone: ZoneInfo):
        """Knows nobody yet.

        Args:
            zone: Its calendar gives the day of an opening that has no day of its own.
        """
        self._zone = zone
        self._known: dict[str, Identity] = {}

    def __getitem__(self, account_id: str) -> Identity:
        """Gives an account that was met.

        Raises:
            KeyError: It was not.
        """
        return self._known[account_id]

    def unmet(self, account_ids: Iterable[str]) -> list[str]:
        """Names those of whom nothing is known; asked before each read, it keeps the bound."""
        if len(self._known) > IDENTITIES_MAX:
            self._known.clear()
        known = self._known
        return [name for name in account_ids if name not in known]

    def meet(self, rows: Iterable[Sequence[Any]]) -> None:
        """Learns from committed rows: id, currency, kind, instant and day of the opening."""
        for account_id, currency, kind, opened_at, opened_on in rows:
            day = opened_on or opened_at.astimezone(self._zone).date()
            self._known[account_id] = Identity(currency, AccountKind(kind), day)

    def forget(self) -> None:
        """Forgets everybody, because the server may be another one."""
        self._known.clear()
