"""C8: what fits one order passes, and each way of not fitting is a cycle."""

import dataclasses
import random
import time

import pytest

from chronos.chaos.checkers.graph import cycles, shortest_cycle
from chronos.chaos.checkers.order import linearizable
from chronos.chaos.history import Kind
from tests.unit.chaos.town import (
    MS,
    Town,
    answer_with,
    named,
    of_kind,
    small_town,
    unknown,
)


@pytest.fixture
def town() -> Town:
    return small_town()


def violations(town):
    return linearizable(town.journal(), town.history).violations


def at(operation, begin_ms, end_ms):
    """Moves an operation in time."""
    end_ns = None if end_ms is None else end_ms * MS
    answer_with(operation, invoked_ns=begin_ms * MS, completed_ns=end_ns)


def test_one_operation_after_the_other_fits(town):
    judged = linearizable(town.journal(), town.history)

    assert (judged.violations, judged.looked_at) == ((), 14)


def test_a_read_of_an_overwritten_version_fits_no_order(town):
    town.read("alice", version=8, booked=42, available=42)

    (only,) = violations(town)
    assert only.endswith("in time before read 18 of client 1 → before the first")
    assert "reversal 12 of client 1, key t4 → " in only


def test_a_read_while_the_next_version_is_written_may_see_the_one_before(town):
    read = town.read("alice", version=8, booked=42, available=42)
    writer = named(town, "t4").attempts[-1]
    answer_with(
        read, invoked_ns=writer.invoked_ns + MS, completed_ns=(writer.completed_ns or 0) + MS
    )

    assert violations(town) == ()


def test_a_write_whose_end_nobody_knows_may_come_later(town):
    town.read("alice", version=8, booked=42, available=42)
    unknown(named(town, "t4"))
    answer_with(named(town, "t4"), completed_ns=None)
    # These saw it before the last read did not.
    for kind, number in ((Kind.PROJECTED, 0), (Kind.READ, 1), (Kind.SNAPSHOT, 1)):
        town.history.remove(of_kind(town, kind, number))

    assert violations(town) == ()


def test_a_retry_that_saw_the_end_of_its_write_is_not_the_write(town):
    town.retry(named(town, "t4"))
    town.read("alice")

    assert violations(town) == ()


def test_a_read_from_the_future_fits_no_order(town):
    at(town.read("alice"), 1, 2)

    (only,) = violations(town)
    assert "in time before" in only


def hold(town, name, account):
    body = {"id": name, "account": account, "amount": 1, "currency": "EUR"}
    return town.send(Kind.HOLD, body)


def test_two_snapshots_that_saw_two_writes_in_two_orders_fit_no_order(town):
    first, second = hold(town, "x", "alice"), hold(town, "y", "bob")
    one, two = town.snapshot(alice=[9, 47, 0]), town.snapshot(bob=[4, 3, 0])
    # All four at once: only what was seen tells the order.
    for operation in (first, second, one, two):
        at(operation, 2_000, 3_000)

    (only,) = violations(town)
    assert only == (
        "4 operations and ends fit no order: hold 18 of client 1, key x → snapshot 21 of "
        "client 1 → hold 19 of client 1, key y → snapshot 20 of client 1 → before the first"
    )


def test_two_snapshots_that_saw_two_writes_in_one_order_fit(town):
    first, second = hold(town, "x", "alice"), hold(town, "y", "bob")
    one, two = town.snapshot(alice=[9, 47, 0]), town.snapshot()
    for operation in (first, second, one, two):
        at(operation, 2_000, 3_000)

    assert violations(town) == ()


def test_writes_against_real_time_fit_no_order(town):
    at(named(town, "t4"), 2, 3)
    at(named(town, "t2"), 1_500, 1_501)

    assert violations(town) != ()


def test_a_version_that_is_not_there_is_told(town):
    town.read("bob", version=5)

    found = violations(town)
    assert any("bob is told at version 5, which the journal has not" in what for what in found)
    assert any("saw bob at version 5, which is not there" in what for what in found)


def test_a_strong_read_of_another_balance_is_told(town):
    town.read("bob", booked=4)

    (only,) = violations(town)
    assert "bob is told at version 4: booked 4" in only


def test_a_page_that_has_more_is_not_the_newest(town):
    town.events("alice", after=2, until=4)

    assert violations(town) == ()


def test_an_empty_page_after_an_overwritten_version_fits_no_order(town):
    town.told(
        Kind.READ,
        "/v1/accounts/alice/events?after=8&limit=30",
        {"data": [], "page": {"next": None, "has_more": False}},
    )

    (only,) = violations(town)
    assert "fit no order" in only


def test_a_page_with_a_hole_or_another_event_is_told(town):
    page = of_kind(town, Kind.READ, 1)
    reply = page.attempts[-1].reply
    first = reply.index('"version": 3')
    page.attempts[-1] = dataclasses.replace(
        page.attempts[-1], reply=reply[:first] + '"version": 7' + reply[first + 12 :]
    )

    found = violations(town)
    assert "shows version 7 of alice where 3 belongs" in found[0]


def test_a_page_of_an_event_with_another_hash_is_told(town):
    page = of_kind(town, Kind.READ, 1)
    digest = town.journal().accounts["alice"][4].hash.hex()
    answer_with(page, reply=page.attempts[-1].reply.replace(digest, "0" * 64))

    (only,) = violations(town)
    assert only.endswith("shows another event as version 5 of alice")


def test_a_page_of_an_event_that_is_not_there_is_told(town):
    journal = town.journal()
    journal.accounts["alice"].pop()

    found = linearizable(journal, town.history).violations
    assert any("shows version 9 of alice, which is not there" in what for what in found)


def test_an_answer_that_is_no_read_is_told(town):
    answer_with(of_kind(town, Kind.READ), reply="[]")
    answer_with(of_kind(town, Kind.SNAPSHOT), reply="{}")

    found = violations(town)
    assert [what.split(" cannot be read")[0] for what in found] == [
        "snapshot 5 of client 1",
        "read 7 of client 1",
    ]


def test_components_are_those_that_reach_each_other():
    edges = [[1], [2], [0, 3], [4], [3], [5], []]

    assert sorted(cycles(edges)) == [[0, 1, 2], [3, 4]]
    assert shortest_cycle(edges, [3, 4]) == [3, 4]
    assert cycles([[1], [2], []]) == []


def test_the_shortest_cycle_of_a_component_is_told():
    edges = [[1, 2], [2], [3], [0]]

    assert shortest_cycle(edges, [0, 1, 2, 3]) == [0, 2, 3]


@pytest.mark.parametrize("seed", range(20))
def test_components_agree_with_reachability(seed):
    chance = random.Random(seed)
    count = 12
    edges = [[t for t in range(count) if chance.random() < 0.12] for _ in range(count)]
    reach = [set(one) for one in edges]
    for _ in range(count):
        for node in range(count):
            reach[node] = reach[node].union(*(reach[t] for t in reach[node]))
    wanted = {
        tuple(t for t in range(count) if t in reach[node] and node in reach[t])
        for node in range(count)
    }

    assert {tuple(one) for one in cycles(edges)} == {w for w in wanted if len(w) > 1}


def test_a_long_chain_needs_no_recursion():
    count = 200_000
    edges = [[n + 1] for n in range(count - 1)] + [[]]
    begun = time.monotonic()

    assert cycles(edges) == []
    edges[-1] = [0]
    assert len(cycles(edges)) == 1
    assert time.monotonic() - begun < 30
