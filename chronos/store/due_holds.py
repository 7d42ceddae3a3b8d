"""Open holds whose time has come, for the agent that ends them.

What is due is said by PostgreSQL's clock, the one that the command transaction reads too: a
hold that is due here is due there, whatever the worker's own clock says.

A pass walks the index of expiries from a watermark to the present, page by page, and leaves out
the holds that have ended. The first pass begins at the beginning of time; what it costs grows
with all the holds that ever had an expiry, so there is one, at the start. After a pass the
watermark moves up, and holds that ended long ago are never looked at again:

* A hold is only placed with an expiry after the instant at which it is recorded, and that is
  PostgreSQL's clock inside its transaction. So a hold that no pass has seen yet lies after the
  beginning of the oldest transaction that was open when the pass began. The open transactions
  are asked for before the pages are read: asked for afterwards, one that ended in between would
  be missed. That bound holds even while commits hang for minutes, on a disk or a standby.
* `SLACK` is kept besides: twice the writer's `transaction_timeout`, for transactions that this
  role may not see, and for a clock that is set back by a little.
* A clock that was set back by more than `STEP` brings expiries from before the watermark, so
  the next pass is a whole one again. (Set back and forth again between two passes, it is not
  noticed: a hold that was placed meanwhile, and expired behind the watermark, waits for the
  next whole pass. Nobody can capture it.)
* A hold that could not be ended keeps the watermark before itself.

Bounds: a page looks at `rows_max` holds, ended ones too; three small statements a pass besides.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, Protocol

from chronos.domain.ids import HoldId
from chronos.store.pool import Pool

SLACK: Final = timedelta(seconds=10)
STEP: Final = timedelta(seconds=5)
"""Less than `SLACK`: a smaller step back cannot come behind the watermark."""
ROWS_MAX: Final = 2_000
BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Takes no lock. Another role's transactions show no beginning here; all writers are one role.
_MOMENT: Final = """
SELECT
  clock_timestamp() AS now,
  (
    SELECT min(other.xact_start)
    FROM pg_stat_activity AS other
    WHERE other.datname = current_database() AND other.pid <> pg_backend_pid()
  ) AS oldest_transaction
"""
# Walks events_hold_expiry from a place; one look-up by events_hold_ended for each hold on it.
# The limit is inside, so that a page of ended holds is a page too. Takes no lock.
_PAGE: Final = """
WITH looked_at AS MATERIALIZED (
  SELECT placed.expires_at, placed.hold_id
  FROM events AS placed
  WHERE placed.type = 'HoldPlaced'
    AND placed.expires_at IS NOT NULL
    AND placed.expires_at <= $1::timestamptz
    AND (placed.expires_at, placed.hold_id) > ($2::timestamptz, $3::text)
  ORDER BY placed.expires_at, placed.hold_id
  LIMIT $4::bigint
)
SELECT
  (SELECT count(*) FROM looked_at) AS rows,
  ARRAY(
    SELECT ROW(looked_at.expires_at, looked_at.hold_id)
    FROM looked_at
    ORDER BY looked_at.expires_at DESC, looked_at.hold_id DESC
    LIMIT 1
  ) AS last,
  ARRAY(
    SELECT ROW(looked_at.expires_at, looked_at.hold_id)
    FROM looked_at
    LEFT JOIN LATERAL (
      SELECT true AS is_ended
      FROM events AS ended
      WHERE ended.hold_id = looked_at.hold_id
        AND ended.type IN ('HoldCaptured', 'HoldVoided', 'HoldExpired')
      LIMIT 1
    ) AS its_end ON true
    WHERE its_end.is_ended IS NULL
    ORDER BY looked_at.expires_at, looked_at.hold_id
  ) AS open
"""
# One look-up by events_hold_expiry; takes no lock. The hold may have ended: whoever waits for
# it wakes for nothing, once.
_NEXT: Final = """
SELECT
  clock_timestamp() AS now,
  (
    SELECT placed.expires_at
    FROM events AS placed
    WHERE placed.type = 'HoldPlaced'
      AND placed.expires_at IS NOT NULL
      AND placed.expires_at > $1::timestamptz
    ORDER BY placed.expires_at, placed.hold_id
    LIMIT 1
  ) AS next_at
"""


class DueHold(NamedTuple):
    """One open hold whose time has come; sorts by its place in the index."""

    expires_at: datetime
    hold_id: HoldId


class Moment(NamedTuple):
    """An instant of PostgreSQL's clock, and since when its oldest open transaction runs."""

    now: datetime
    oldest_transaction: datetime | None


class LookedAt(NamedTuple):
    """One page of the index."""

    open: Sequence[DueHold]
    last: DueHold | None
    """The last hold of the page, ended or not: the place where the next page begins; None when
    there is no next page."""


class Next(NamedTuple):
    """The next expiry after an instant, and what time it is."""

    now: datetime
    next_at: datetime | None


class DueReads(Protocol):
    """What a walk reads: `DueHoldReads`, or a fake."""

    async def moment(self) -> Moment:
        """Tells the time."""
        ...

    async def page(self, after: DueHold, until: datetime) -> LookedAt:
        """Looks at the next holds that expire up to an instant."""
        ...

    async def next_after(self, instant: datetime) -> Next:
        """Finds the next expiry."""
        ...


class DueHoldReads:
    """Reads the index of expiries through a pool."""

    def __init__(self, pool: Pool, *, rows_max: int = ROWS_MAX):
        self._pool = pool
        self._rows_max = rows_max

    async def moment(self) -> Moment:
        """Tells PostgreSQL's time, and since when its oldest visible transaction is open.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        async with self._pool.connection() as connection:
            return Moment(*await connection.fetchrow(_MOMENT))

    async def page(self, after: DueHold, until: datetime) -> LookedAt:
        """Looks at the next `rows_max` holds after a place that expire up to an instant.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(_PAGE, until, *after, self._rows_max)
        last = DueHold(*row["last"][0]) if row["rows"] == self._rows_max else None
        return LookedAt(open=tuple(DueHold(*hold) for hold in row["open"]), last=last)

    async def next_after(self, instant: datetime) -> Next:
        """Finds the next expiry after an instant, also of a hold that has ended.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        async with self._pool.connection() as connection:
            return Next(*await connection.fetchrow(_NEXT, instant))


class DueHolds:
    """Walks due holds, pass after pass; one walker at a time.

    Args:
        reads: Where they are read.
    """

    def __init__(self, reads: DueReads):
        self._reads = reads
        self._watermark = BEGINNING
        self._newest = BEGINNING
        self._began_at = BEGINNING
        self._first_left: datetime | None = None

    @property
    def began_at(self) -> datetime:
        """When the newest pass began, by PostgreSQL's clock."""
        return self._began_at

    async def due(self) -> AsyncGenerator[Sequence[DueHold], None]:
        """Gives all open holds that are due now, in the order of their expiry, by the page.

        Before the next page is asked for, `leave` is to be called for those that stay open. The
        watermark moves when the pass is over, and stays where it is when it is broken off.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        moment = await self._reads.moment()
        if moment.now < self._newest - STEP:
            self._watermark = self._newest = BEGINNING
        self._newest = max(self._newest, moment.now)
        self._began_at = moment.now
        self._first_left = None
        # No id is empty: holds that expire at the very instant come after this place.
        place: DueHold | None = DueHold(self._watermark, HoldId(""))
        while place is not None:
            page = await self._reads.page(place, moment.now)
            if page.open:
                yield page.open
            place = page.last
        self._move_up(moment)

    def leave(self, hold: DueHold) -> None:
        """Notes that a hold of this pass stays open, so that the next pass gives it again."""
        if self._first_left is None or hold.expires_at < self._first_left:
            self._first_left = hold.expires_at

    async def pause_s(self, longest_s: float) -> float:
        """Tells for how long nothing more will be due, `longest_s` at most.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        now, next_at = await self._reads.next_after(self._began_at)
        if next_at is None:
            return longest_s
        return min(longest_s, max(0.0, (next_at - now).total_seconds()))

    def _move_up(self, moment: Moment) -> None:
        settled = moment.now
        if moment.oldest_transaction is not None:
            settled = min(settled, moment.oldest_transaction)
        settled -= SLACK
        left = self._first_left
        self._watermark = settled if left is None else min(settled, left)
