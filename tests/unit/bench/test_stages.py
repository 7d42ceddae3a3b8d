"""What the benches of the stages make of what they saw."""

from __future__ import annotations

import os
from collections import Counter
from types import SimpleNamespace

import pytest

from chronos.bench.report import BenchFault
from chronos.bench.stages.backlog import Look, drained
from chronos.bench.stages.mirroring import pages
from chronos.bench.stages.processes import peak_mib, processor_s, resident_mib, tree
from chronos.bench.stages.relaying import way_figures
from chronos.bench.stages.town import TownPlan, rows_of
from chronos.bench.stages.whole import behind_figures, is_sustained, view_figures
from chronos.clock import SystemClock
from chronos.settings import Settings

MS = 1_000_000


def test_a_backlog_is_measured_between_the_first_look_and_the_last():
    looks = [Look(10.0, 1_000, 2.0), Look(11.0, 6_000, 2.5), Look(12.0, 11_000, 3.0)]

    figures = drained(looks, resident=100.0, peak=120.0)

    assert (figures.records, figures.seconds, figures.per_second) == (10_000, 2.0, 5_000)
    assert figures.processor_seconds == 1.0


def test_a_backlog_that_is_gone_at_once_is_not_measured():
    with pytest.raises(BenchFault, match="longer one"):
        drained([Look(10.0, 1_000, 2.0)], resident=1.0, peak=1.0)


def test_the_way_to_kafka_leaves_the_warm_up_out():
    seen = [(100.0, 900 * MS), (102.0, 5 * MS), (103.0, 7 * MS)]

    figures = way_figures(seen, warm_up_s=2.0)

    assert (figures.events, figures.p50_ms, figures.max_ms) == (2, 5.0, 7.0)


def test_a_view_that_nobody_asked_has_no_figures_but_does_not_fail():
    assert view_figures([]).samples == 0


def test_a_model_is_as_far_behind_as_its_worst_marker():
    marks = [{"table": 0.1, "redis": 0.2}, {"table": 0.5, "redis": None}]

    table, redis = behind_figures(marks)

    assert (table.max_s, table.unseen) == (0.5, 0)
    assert redis.each_s == (0.2, None)
    assert (redis.max_s, redis.unseen) == (60.0, 1)


@pytest.mark.parametrize(
    ("reached", "troubles", "behind_s", "expected"),
    [
        (1_199.0, {}, 0.4, True),
        (1_100.0, {}, 0.4, False),
        (1_200.0, {"503 overloaded": 1}, 0.4, False),
        (1_200.0, {}, 2.0, False),
    ],
)
def test_a_rate_is_sustained_when_reached_unrefused_and_followed(
    reached, troubles, behind_s, expected
):
    load = SimpleNamespace(per_second=reached, troubles=troubles)

    assert is_sustained(load, behind_figures([{"table": behind_s}]), rate=1_200) is expected


def test_documents_are_cut_into_requests_of_one_length():
    assert [len(page) for page in pages([b"x"] * 5, 2)] == [2, 2, 1]


def test_a_process_knows_what_it_used():
    pid = os.getpid()

    assert pid in tree(pid)
    assert processor_s(pid) > 0
    assert peak_mib(pid) >= resident_mib(pid) > 1


def test_a_process_that_is_gone_used_nothing():
    assert tree(2**22 + 1) == ()
    assert resident_mib(2**22 + 1) == 0


@pytest.mark.parametrize("events", [50, 51, 200, 1_001])
def test_a_town_has_about_as_many_events_as_it_was_asked_for(events):
    plan = town(accounts=50, events=events)

    rows = rows_of(Settings(), plan, first_position=7)

    assert len(rows.events) == 51 + 2 * plan.transfers
    assert abs(len(rows.events) - events) <= 1
    assert [row.position for row in rows.outbox] == [row.position for row in rows.events]


def test_every_account_of_a_town_is_a_history_without_gaps():
    rows = rows_of(Settings(), town(accounts=20, events=500), first_position=1)

    versions: Counter[str] = Counter()
    for row in rows.events:
        versions[row.account_id] += 1
        assert row.version == versions[row.account_id]
    assert len(rows.accounts) == 21
    assert sum(row.amount or 0 for row in rows.events) == 0


def test_a_town_that_is_not_published_has_no_outbox():
    plan = town(accounts=5, events=50, is_published=False)

    assert rows_of(Settings(), plan, first_position=1).outbox == []


def town(**changes) -> TownPlan:
    facts = {"now": SystemClock().now(), "is_published": True, **changes}
    return TownPlan(**facts)
