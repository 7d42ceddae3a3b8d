"""What the journal said at a moment, for a banking day, and between two moments."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from chronos.domain.chart import AccountKind
from chronos.domain.commands import PlaceHold, VoidHold
from chronos.domain.ids import AccountId, HoldId
from chronos.errors import DeadlineExceeded
from chronos.store import books as books_module
from chronos.store import moments as moments_module
from chronos.store.moments import (
    BalanceAt,
    BalanceByValue,
    Mark,
    NotYetOpened,
    OpenedLater,
    Period,
)
from chronos.store.pool import LOOKUPS_ONLY
from tests.builders import open_account, transfer
from tests.past import Past

BEGAN = datetime(2025, 1, 1, 8, 0, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
PLENTY = 1 << 20
"""More bytes than the lines of these accounts have."""


@pytest.fixture
async def past(owner):
    """Two accounts, opened together; nothing moved yet."""
    made = Past(owner)
    await made.book(
        BEGAN, open_account("bank", kind=AccountKind.SETTLEMENT), open_account("bob")
    )
    return made


@pytest.fixture
def moments(store):
    return store.moments


async def deposit(past: Past, amount: int, now: datetime, **changes: object) -> None:
    name = f"trf_{len(past.events)}"
    await past.book(now, transfer("bank", "bob", amount, transfer_id=name, **changes))


def hold(name: str, amount: int) -> PlaceHold:
    return PlaceHold(
        hold_id=HoldId(name),
        account_id=AccountId("bob"),
        amount=amount,
        currency="EUR",
        expires_at=None,
        description=None,
        metadata={},
        expected_versions={},
    )


async def booked_at(moments, at: datetime) -> tuple[int, int]:
    found = await moments.balance_at("bob", at)
    assert isinstance(found, BalanceAt)
    return found.state.version, found.state.booked


async def test_a_moment_includes_what_was_recorded_in_it_and_nothing_later(moments, past):
    noon = BEGAN + timedelta(hours=4, microseconds=123456)
    await deposit(past, 5, noon)
    await deposit(past, 7, noon + TICK)

    assert await booked_at(moments, noon - TICK) == (1, 0)
    assert await booked_at(moments, noon) == (2, 5)
    assert await booked_at(moments, noon + TICK) == (3, 12)
    assert await booked_at(moments, noon + DAY) == (3, 12)


async def test_a_moment_never_falls_between_two_events_of_one_transaction(moments, past):
    noon = BEGAN + timedelta(hours=4)
    await past.book(
        noon,
        transfer("bank", "bob", 5, transfer_id="one"),
        transfer("bank", "bob", 7, transfer_id="two"),
    )

    assert await booked_at(moments, noon - TICK) == (1, 0)
    assert await booked_at(moments, noon) == (3, 12)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 8, 9, 33])
async def test_every_version_of_an_account_is_found_by_its_instant(moments, past, length):
    for number in range(1, length):
        await deposit(past, 1, BEGAN + number * DAY)

    for number in range(length):
        recorded = BEGAN + number * DAY
        expected = (number + 1, number)
        assert await booked_at(moments, recorded) == expected
        assert await booked_at(moments, recorded + DAY - TICK) == expected


@pytest.mark.usefixtures("past")
async def test_before_its_opening_an_account_was_not_there(moments):
    before = await moments.balance_at("bob", BEGAN - TICK)

    assert before == NotYetOpened(opened_at=BEGAN)
    assert await booked_at(moments, BEGAN) == (1, 0)
    assert await moments.balance_at("nobody", BEGAN) is None


@pytest.mark.usefixtures("past")
async def test_a_moment_is_final_when_no_transaction_from_before_it_can_be_open(moments, owner):
    now = await owner.fetchval("SELECT clock_timestamp()")
    finals = [
        (await moments.balance_at("bob", now - timedelta(seconds=ago))).is_final
        for ago in (60, 5, 4, 0, -3600)
    ]

    assert finals == [True, True, False, False, False]


async def test_the_balance_for_a_day_leaves_out_what_is_valued_later(moments, past):
    today = BEGAN.date()
    await deposit(past, 5, BEGAN + DAY, value_date=today)
    await deposit(past, 7, BEGAN + DAY, value_date=today + DAY)
    await deposit(past, 11, BEGAN + DAY, value_date=today + 3 * DAY)

    found = {
        days: await moments.balance_by_value("bob", today + days * DAY) for days in range(5)
    }

    assert [found[days].state.booked for days in range(5)] == [5, 12, 12, 23, 23]
    assert {found[days].state.version for days in range(5)} == {4}
    assert found[0].state.available == 5
    assert found[0].recorded_at == BEGAN + DAY


@pytest.mark.usefixtures("past")
async def test_there_is_no_balance_for_a_day_before_the_first(moments):
    first = await moments.balance_by_value("bob", BEGAN.date())

    assert isinstance(first, BalanceByValue)
    assert first.state.booked == 0
    before = await moments.balance_by_value("bob", date.min)
    assert before == OpenedLater(opened_on=BEGAN.date())
    assert await moments.balance_by_value("nobody", BEGAN.date()) is None


async def all_lines(
    moments, period: Period, *, limit: int, bytes_max: int = PLENTY
) -> list[int]:
    versions, after = [], period.opening.version
    while after < period.closing.version:
        lines = await moments.lines(period, after=after, limit=limit, bytes_max=bytes_max)
        assert len(lines.rows) <= limit
        assert sum(len(row.body) for row in lines.rows[:-1]) < bytes_max
        assert lines.reached > after
        versions += [row.version for row in lines.rows]
        after = lines.reached
    return versions


async def test_a_period_has_its_first_instant_and_not_its_last(moments, past):
    for number in range(1, 5):
        await deposit(past, number, BEGAN + number * DAY)

    period = await moments.period("bob", since=BEGAN + 2 * DAY, until=BEGAN + 4 * DAY)

    assert (period.opening, period.closing) == (Mark(2, 1), Mark(4, 6))
    assert period.is_final
    assert await all_lines(moments, period, limit=50) == [3, 4]


async def test_a_period_without_bounds_is_the_whole_account(moments, past, owner):
    await deposit(past, 5, BEGAN + DAY)
    before = await owner.fetchval("SELECT clock_timestamp()")

    period = await moments.period("bob", since=None, until=None)

    assert (period.since, period.currency, period.is_final) == (BEGAN, "EUR", False)
    assert period.until >= before
    assert (period.opening, period.closing) == (Mark(0, 0), Mark(2, 5))
    assert await all_lines(moments, period, limit=1) == [2]


async def test_a_period_keeps_its_end_while_the_account_goes_on(moments, past):
    await deposit(past, 5, BEGAN + DAY)
    period = await moments.period("bob", since=None, until=None)

    await deposit(past, 7, BEGAN + 2 * DAY)

    assert await all_lines(moments, period, limit=50) == [2]
    assert period.closing == Mark(2, 5)


async def test_a_period_ends_after_all_that_it_shows_also_where_the_clock_went_back(
    moments, past, owner
):
    ahead = await owner.fetchval("SELECT clock_timestamp()") + DAY
    await deposit(past, 5, ahead)

    period = await moments.period("bob", since=None, until=None)

    assert period.until == ahead + TICK
    assert period.closing == Mark(2, 5)
    again = await moments.period("bob", since=None, until=period.until)
    assert again.closing == period.closing


async def test_a_period_may_be_empty(moments, past):
    await deposit(past, 5, BEGAN + DAY)

    for since, until in [(2, 2), (2, 3), (9999, 9999), (9999, None)]:
        end = None if until is None else BEGAN + until * DAY
        period = await moments.period("bob", since=BEGAN + since * DAY, until=end)
        assert (period.opening, period.closing) == (Mark(2, 5), Mark(2, 5))
        assert period.until >= period.since
        assert await all_lines(moments, period, limit=50) == []


@pytest.mark.usefixtures("past")
async def test_a_period_before_the_opening_is_told_apart(moments):
    assert await moments.period("bob", since=None, until=BEGAN) == NotYetOpened(opened_at=BEGAN)
    assert await moments.period("nobody", since=None, until=None) is None
    first = await moments.period(
        "bob", since=datetime.min.replace(tzinfo=UTC), until=BEGAN + TICK
    )
    assert (first.opening, first.closing) == (Mark(0, 0), Mark(1, 0))


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
async def test_events_that_are_passed_over_are_bounded_too(moments, past, monkeypatch, limit):
    for number in range(1, 8):
        await deposit(past, number, BEGAN + number * DAY)
    monkeypatch.setattr(moments_module, "EVENTS_PASSED_MAX", 3)

    period = await moments.period("bob", since=None, until=None)

    assert await all_lines(moments, period, limit=limit) == [2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("bytes_max", [1, 10_000, 16_384, 40_000, 65_000, PLENTY])
async def test_heavy_lines_end_a_reading_early_and_none_is_lost(moments, past, bytes_max):
    for number in range(1, 8):
        # Every other is too large for a page of the table and lies beside it.
        metadata = {f"m{n}": "\U0001f600" * 500 for n in range(16 * (number % 2))}
        await deposit(past, number, BEGAN + number * DAY, metadata=metadata)
    sizes = [len(row.body) for row in past.of("bob")[1:]]
    period = await moments.period("bob", since=None, until=None)

    versions = await all_lines(moments, period, limit=50, bytes_max=bytes_max)
    first = await moments.lines(period, after=0, limit=50, bytes_max=bytes_max)

    assert versions == [2, 3, 4, 5, 6, 7, 8]
    fitting = [number for number in range(7) if sum(sizes[:number]) < bytes_max]
    assert len(first.rows) == len(fitting)
    assert [len(row.body) for row in first.rows] == sizes[: len(fitting)]


async def test_holds_are_part_of_a_moment_and_not_of_a_statement(moments, past):
    await deposit(past, 5, BEGAN + DAY)
    await past.book(BEGAN + 2 * DAY, hold("h1", 3), hold("h2", 1))
    await past.book(
        BEGAN + 3 * DAY,
        VoidHold(hold_id=HoldId("h2"), description=None, expected_versions={}),
    )
    await deposit(past, 7, BEGAN + 4 * DAY)

    held = [(await moments.balance_at("bob", BEGAN + day * DAY)).state for day in range(1, 4)]
    period = await moments.period("bob", since=None, until=None)

    assert [(s.held, s.open_holds, s.available) for s in held] == [
        (0, 0, 5),
        (4, 2, 1),
        (3, 1, 2),
    ]
    assert period.closing == Mark(6, 12)
    for limit in (1, 50):
        assert await all_lines(moments, period, limit=limit) == [2, 6]


async def test_lines_continue_each_other(moments, past):
    for number in range(1, 8):
        await deposit(past, number, BEGAN + number * DAY)

    period = await moments.period("bob", since=BEGAN + 3 * DAY, until=None)
    lines = await moments.lines(
        period, after=period.opening.version, limit=50, bytes_max=PLENTY
    )
    rows = lines.rows

    running = period.opening.booked
    for row in rows:
        running += row.amount
        assert row.booked_after == running
    assert running == period.closing.booked


async def test_the_books_are_balanced_at_every_moment(store, past):
    for number in range(1, 4):
        await deposit(past, number, BEGAN + number * DAY)
    booked = {}
    for moment in (BEGAN - TICK, BEGAN, BEGAN + DAY, BEGAN + 3 * DAY - TICK, None):
        books = await store.books.trial_balance(moment)
        booked[moment] = [(line.kind, line.accounts, line.booked) for line in books.lines]
        assert books.is_final is (moment is not None)
        assert sum(line.booked for line in books.lines) == 0

    assert booked == {
        BEGAN - TICK: [],
        BEGAN: [("customer", 1, 0), ("settlement", 1, 0)],
        BEGAN + DAY: [("customer", 1, 1), ("settlement", 1, -1)],
        BEGAN + 3 * DAY - TICK: [("customer", 1, 3), ("settlement", 1, -3)],
        None: [("customer", 1, 6), ("settlement", 1, -6)],
    }


async def test_the_books_alone_may_take_longer_than_their_role(database, owner, store):
    await owner.execute(
        f"ALTER ROLE chronos_writer IN DATABASE {database.name} SET transaction_timeout = 200"
    )
    async with store.pool.snapshot(deadline_s=20) as connection:
        await connection.fetchval("SELECT pg_sleep(0.5)")

    async with store.pool.connection() as connection:
        assert await connection.fetchval("SHOW transaction_timeout") == "200ms"
    with pytest.raises(DeadlineExceeded):
        async with store.pool.snapshot(deadline_s=0.2) as connection:
            await connection.fetchval("SELECT pg_sleep(5)")


async def test_a_read_of_the_past_touches_as_much_of_a_long_account_as_of_a_short(
    database, owner
):
    async with _explaining(database.writer_dsn) as explain:
        past = Past(owner)
        opened = [open_account("bank", kind=AccountKind.SETTLEMENT), open_account("bob")]
        await past.book(BEGAN, *opened, open_account("eve"))
        short = await explain("bob")
        for day in range(40):
            transfers = (
                transfer("bank", "eve", 1, transfer_id=f"e{day}_{n}") for n in range(100)
            )
            await past.book(BEGAN + day * DAY, *transfers)
        long = await explain("eve", BEGAN + 20 * DAY)

    # 4,001 events are twelve halvings; a look-up touches three or four pages.
    assert long["at"] - short["at"] < 12 * 6
    assert long["period"] - short["period"] < 2 * 12 * 6
    assert long["books"] - short["books"] < 2 * 12 * 6  # two of the accounts are long
    assert long["by_value"] < 40
    assert long["lines"] < 40


PAST_READS = {
    "at": (moments_module._AT, "'{account}', '{at}', '5 s'"),
    "by_value": (moments_module._BY_VALUE, "'{account}', '{at}'::date + 365"),
    "period": (moments_module._PERIOD, "'{account}', '{at}', '{at}'"),
    "lines": (moments_module._LINES, "'{account}', 2000, 3000, 50, 50000"),
    "books": (books_module._BOOKS_AT, "'{at}'"),
}


class _explaining:  # noqa: N801 - used like a function
    """Counts the pages that each read touches, by plans made before there is any event."""

    def __init__(self, dsn: str):
        self._dsn = dsn

    async def __aenter__(self):
        self._connection = await asyncpg.connect(self._dsn, server_settings=dict(LOOKUPS_ONLY))
        for name, (statement, _) in PAST_READS.items():
            await self._connection.execute(f"PREPARE read_{name} AS {statement}")
        await self._explain("nobody")
        return self._explain

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close(timeout=5)

    async def _explain(self, account_id: str, at: datetime = BEGAN) -> dict[str, int]:
        touched = {}
        for name, (_, arguments) in PAST_READS.items():
            told = await self._connection.fetchval(
                "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "
                f"EXECUTE read_{name} ({arguments.format(account=account_id, at=at)})"
            )
            plan = json.loads(told)[0]["Plan"]
            touched[name] = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        return touched
