"""What the journal said of an account at a moment, and between two: balances and statements.

Events never change and versions have no gaps, so a pair of versions is a snapshot for ever: a
statement fixes its first and last version once and is then read page by page, each page a short
statement of its own, whoever writes meanwhile. Nothing is locked and no connection is kept
between two pages.

Bounds: the search for a moment costs a look-up for each doubling of the account's length; a
page has at most `LINES_MAX` lines, and no more bytes than its reader will hold, and passes at
most `EVENTS_PASSED_MAX` events. Pages take turns for some of the pool's connections, so that
however many statements are read, a balance finds one.

Final: a transaction that began before a moment has ended `FINAL_AFTER` later, because the
writer's `transaction_timeout` is no longer; then nothing recorded by that moment can follow.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from chronos.domain.account import AccountState
from chronos.store.found import account_state
from chronos.store.heads import HEAD, HEAD_COLUMNS
from chronos.store.pool import Pool
from chronos.store.startup_checks import TRANSACTION_TIMEOUT_MS_MAX

FINAL_AFTER: Final = timedelta(milliseconds=TRANSACTION_TIMEOUT_MS_MAX)
LINES_MAX: Final = 1000
EVENTS_PASSED_MAX: Final = 20_000
_STATE_COLUMNS: Final = 11

# OFFSET 0 and LIMIT 1 keep the steps apart: first the search, once, then a look-up by what it
# found. Left to the planner, a plan made on empty tables asks each event whether it is the one.
_AT: Final = """
SELECT
  account.account_id, account.currency, account.kind, event.version, event.booked_after,
  event.held_after, event.overdraft_limit_after, event.status_after, account.opened_at,
  account.opened_on, event.open_holds_after, event.recorded_at,
  $2::timestamptz <= statement_timestamp() - $3::interval AS is_final
FROM accounts AS account
CROSS JOIN LATERAL (
  SELECT version_at(account.account_id, $2::timestamptz) AS version
  OFFSET 0
) AS moment
LEFT JOIN LATERAL (
  SELECT
    events.version, events.booked_after, events.held_after, events.overdraft_limit_after,
    events.status_after, events.open_holds_after, events.recorded_at
  FROM events
  WHERE events.account_id = account.account_id AND events.version = moment.version
  LIMIT 1
) AS event ON true
WHERE account.account_id = $1::text
"""
_BY_VALUE: Final = f"""
SELECT
{HEAD_COLUMNS}, later.amount::text AS later
FROM accounts AS account
{HEAD}
CROSS JOIN LATERAL (
  SELECT coalesce(sum(events.amount), 0) AS amount
  FROM events
  WHERE events.account_id = account.account_id
    AND events.amount IS NOT NULL
    AND events.value_date > $2::date
) AS later
WHERE account.account_id = $1::text
"""  # noqa: S608 - made of constants
_PERIOD: Final = """
SELECT
  account.currency, account.opened_at, head.recorded_at AS head_recorded_at,
  statement_timestamp() AS now, reach.opening_version, reach.closing_version,
  coalesce(opening.booked_after, 0) AS opening_booked,
  coalesce(closing.booked_after, 0) AS closing_booked
FROM accounts AS account
CROSS JOIN LATERAL (
  SELECT events.version, events.recorded_at
  FROM events
  WHERE events.account_id = account.account_id
  ORDER BY events.version DESC
  LIMIT 1
) AS head
CROSS JOIN LATERAL (
  SELECT
    coalesce(
      version_at(account.account_id, $2::timestamptz - interval '1 microsecond'), 0
    ) AS opening_version,
    coalesce(
      version_at(account.account_id, $3::timestamptz - interval '1 microsecond'), head.version
    ) AS closing_version
  OFFSET 0
) AS reach
LEFT JOIN LATERAL (
  SELECT events.booked_after
  FROM events
  WHERE events.account_id = account.account_id AND events.version = reach.opening_version
  LIMIT 1
) AS opening ON true
LEFT JOIN LATERAL (
  SELECT events.booked_after
  FROM events
  WHERE events.account_id = account.account_id AND events.version = reach.closing_version
  LIMIT 1
) AS closing ON true
WHERE account.account_id = $1::text
"""
# The sizes are summed before a body is fetched: what is not given was not read either.
_LINES: Final = """
SELECT version, position, recorded_at, amount, booked_after, body
FROM (
  SELECT
    line.*,
    sum(octet_length(line.body)) OVER (
      ORDER BY line.version ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS bytes_before
  FROM (
    SELECT version, position, recorded_at, amount, booked_after, body
    FROM events
    WHERE account_id = $1::text
      AND version > $2::bigint
      AND version <= $3::bigint
      AND amount IS NOT NULL
    ORDER BY version
    LIMIT $4::bigint
  ) AS line
) AS counted
WHERE coalesce(bytes_before, 0) < $5::bigint
ORDER BY version
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotYetOpened:
    """The account exists, but did not at the moment asked for."""

    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedLater:
    """The account exists, but does not count as open on the banking day asked for."""

    opened_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceAt:
    """An account as it was recorded by a moment."""

    state: AccountState
    recorded_at: datetime
    """Of its last event by then."""
    is_final: bool
    """Whether nothing recorded by then can follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceByValue:
    """An account's balance for a banking day."""

    state: AccountState
    """As it is now, but booked without the amounts that are valued later."""
    recorded_at: datetime
    """Of its last event."""


class Mark(NamedTuple):
    """A place in an account: what was booked after one of its events; version 0: before all."""

    version: int
    booked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The part of an account that a statement shows, fixed by two of its versions."""

    account_id: str
    currency: str
    since: datetime
    """The first instant in it."""
    until: datetime
    """The first instant after it."""
    is_final: bool
    """Whether no line can come between."""
    opening: Mark
    closing: Mark


class StatementLine(NamedTuple):
    """One event that moved money."""

    version: int
    position: int
    recorded_at: datetime
    amount: int
    booked_after: int
    body: bytes
    """Canonical JSON."""


class Lines(NamedTuple):
    """Some lines of a period, oldest first, and how far the reading went."""

    rows: tuple[StatementLine, ...]
    reached: int
    """The version up to which all lines are known now; at the end, the closing version."""


class Moments:
    """Answers for the past from the journal, through a pool of connections.

    Args:
        pool: The connections, shared with other reads.
        zone: Gives an account's first banking day.
        pages_at_once_max: Connections that pages of statements may use together.
    """

    def __init__(self, pool: Pool, zone: ZoneInfo, *, pages_at_once_max: int):
        self._pool = pool
        self._zone = zone
        self._page_turns = asyncio.Semaphore(pages_at_once_max)

    async def balance_at(
        self, account_id: str, at: datetime
    ) -> BalanceAt | NotYetOpened | None:
        """Reads an account as recorded by a moment, `at` included; None when it is unknown.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(_AT, account_id, at, FINAL_AFTER)
        if row is None:
            return None
        if row["version"] is None:
            return NotYetOpened(opened_at=row["opened_at"])
        return BalanceAt(
            state=self._state(row), recorded_at=row["recorded_at"], is_final=row["is_final"]
        )

    async def balance_by_value(
        self, account_id: str, day: date
    ) -> BalanceByValue | OpenedLater | None:
        """Reads an account's balance for a banking day; None when the account is unknown.

        The work grows with the number of amounts that are valued after the day.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(_BY_VALUE, account_id, day)
        if row is None:
            return None
        state = self._state(row)
        if day < state.opened_on:
            return OpenedLater(opened_on=state.opened_on)
        return BalanceByValue(
            state=replace(state, booked=state.booked - int(row["later"])),
            recorded_at=row["recorded_at"],
        )

    async def period(
        self, account_id: str, *, since: datetime | None, until: datetime | None
    ) -> Period | NotYetOpened | None:
        """Fixes the part of an account between two moments; None when it is unknown.

        Args:
            account_id: The account.
            since: The first instant in it; the account's opening when left out.
            until: The first instant after it; when left out, all that is recorded now.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(_PERIOD, account_id, since, until)
        if row is None:
            return None
        if row["closing_version"] == 0:
            return NotYetOpened(opened_at=row["opened_at"])
        begin = row["opened_at"] if since is None else since
        end = until
        if end is None:
            # All that is there lies before the end, also where the clock went back since.
            end = max(row["now"], row["head_recorded_at"] + timedelta.resolution, begin)
        return Period(
            account_id=account_id,
            currency=row["currency"],
            since=begin,
            until=end,
            is_final=end <= row["now"] - FINAL_AFTER,
            opening=Mark(row["opening_version"], row["opening_booked"]),
            closing=Mark(row["closing_version"], row["closing_booked"]),
        )

    async def lines(self, period: Period, *, after: int, limit: int, bytes_max: int) -> Lines:
        """Reads the next lines of a period.

        There may be fewer than the limit, even none, before the end is reached: heavy lines
        end a reading early, and events that move no money are passed over, but not more than
        `EVENTS_PASSED_MAX` at once.

        Args:
            period: The period.
            after: The version behind which to begin; at first, that of its opening.
            limit: Lines at most, up to `LINES_MAX`.
            bytes_max: The line whose body reaches this sum is the last.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        most = min(limit, LINES_MAX)
        end = min(period.closing.version, after + EVENTS_PASSED_MAX)
        async with self._page_turns, self._pool.connection() as connection:
            rows = await connection.fetch(
                _LINES, period.account_id, after, end, most, bytes_max
            )
        lines = tuple(StatementLine(*row) for row in rows)
        is_cut = len(lines) == most or sum(len(line.body) for line in lines) >= bytes_max
        return Lines(lines, lines[-1].version if is_cut else end)

    def _state(self, row: Any) -> AccountState:
        return account_state(tuple(row)[:_STATE_COLUMNS], self._zone)
