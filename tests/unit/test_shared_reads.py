"""Readers who share a question, over a store that answers when it is told to."""

from __future__ import annotations

import asyncio

import pytest

from chronos.errors import DeadlineExceeded, InvariantBroken, Unavailable
from chronos.shared_reads import LANES, NAMES_MAX, SharedReads


class SlowTable:
    """Each statement sees the version at its begin, and ends when it is let go."""

    def __init__(self, *, deadline_s: float = 30):
        self.version = 1
        self.asked: list[list[str]] = []
        self.gates: list[asyncio.Future[None]] = []
        self.began = asyncio.Condition()
        self.reads = SharedReads("redis", self.fetch, self.value_of, deadline_s=deadline_s)

    async def fetch(self, names):
        rows = {name: (name, self.version) for name in names if name != "nobody"}
        self.asked.append(list(names))
        gate = asyncio.get_running_loop().create_future()
        self.gates.append(gate)
        async with self.began:
            self.began.notify_all()
        await gate
        return rows

    def value_of(self, row):
        if row[0] == "broken":
            raise InvariantBroken("a row that says nonsense")
        return row

    def ask(self, *names: str) -> list[asyncio.Task]:
        return [asyncio.ensure_future(self.reads.read(name)) for name in names]

    async def begun(self, count: int) -> None:
        async with asyncio.timeout(5), self.began:
            await self.began.wait_for(lambda: len(self.asked) >= count)

    async def block(self) -> list[asyncio.Task]:
        """Gives every lane a statement that does not end."""
        readers = []
        for number in range(LANES):
            readers += self.ask(f"first{number}")
            await self.begun(number + 1)
        return readers

    def let_go(self, fault: Exception | None = None) -> None:
        for gate in self.gates:
            if gate.done():
                continue
            if fault is None:
                gate.set_result(None)
            else:
                gate.set_exception(fault)


@pytest.fixture
async def table():
    return SlowTable()


async def test_who_asks_in_the_same_turn_shares_one_statement(table):
    readers = table.ask("a", "b", "a", "nobody")
    await table.begun(1)
    table.let_go()

    assert await asyncio.gather(*readers) == [("a", 1), ("b", 1), ("a", 1), None]
    assert table.asked == [["a", "b", "nobody"]]


async def test_nobody_is_answered_by_a_statement_that_began_before_the_question(table):
    early = await table.block()
    table.version = 2
    late = table.ask("first0", "late")
    table.let_go()
    assert [(await reader)[1] for reader in early] == [1] * LANES

    await table.begun(LANES + 1)
    table.let_go()

    assert await asyncio.gather(*late) == [("first0", 2), ("late", 2)]


async def test_a_fault_is_told_to_all_who_shared_it_and_the_lanes_live_on(table):
    readers = table.ask("a", "b")
    await table.begun(1)
    table.let_go(Unavailable("postgresql", "gone"))
    for reader in readers:
        with pytest.raises(Unavailable, match="gone"):
            await reader

    again = table.ask("a")
    await table.begun(2)
    table.let_go()

    assert await again[0] == ("a", 1)


async def test_a_row_that_cannot_be_read_fails_its_own_readers_alone(table):
    broken, good = table.ask("broken", "good")
    await table.begun(1)
    table.let_go()

    assert await good == ("good", 1)
    with pytest.raises(InvariantBroken):
        await broken


async def test_what_nobody_waits_for_any_more_is_not_asked_for(table):
    await table.block()
    gone, stays = table.ask("gone", "stays")
    await asyncio.sleep(0)
    gone.cancel()
    table.let_go()
    await table.begun(LANES + 1)
    table.let_go()

    assert await stays == ("stays", 1)
    assert table.asked[LANES:] == [["stays"]]


async def test_who_waits_too_long_is_told_so_and_who_waits_behind_asks_nothing():
    table = SlowTable(deadline_s=0.05)
    under_way = await table.block()
    behind = table.ask("late", "later")
    for reader in (*under_way, *behind):
        with pytest.raises(DeadlineExceeded):
            await reader

    table.let_go()
    await asyncio.sleep(0)
    again = table.ask("again")
    await table.begun(LANES + 1)
    table.let_go()

    assert await again[0] == ("again", 1)
    assert table.asked[LANES:] == [["again"]]


async def test_a_statement_takes_so_many_names_and_the_next_one_the_others(table):
    names = [f"n{number}" for number in range(NAMES_MAX + 1)]
    await table.block()
    readers = table.ask(*names)
    await asyncio.sleep(0)
    table.let_go()
    while not all(reader.done() for reader in readers):
        await asyncio.sleep(0)
        table.let_go()

    assert [name for asked in table.asked[LANES:] for name in asked] == names
    assert max(map(len, table.asked)) == NAMES_MAX


async def test_who_asks_in_the_turn_in_which_every_lane_ends_is_answered():
    table = SlowTable(deadline_s=2)
    await table.block()
    woken = asyncio.get_running_loop().create_future()

    async def ask_late() -> tuple[str, int] | None:
        await woken
        return await table.reads.read("late")

    late = asyncio.ensure_future(ask_late())
    await asyncio.sleep(0)
    # One turn wakes the lanes, which find nobody waiting, and then who asks.
    table.let_go()
    woken.set_result(None)
    await table.begun(LANES + 1)
    table.let_go()

    assert await late == ("late", 1)
