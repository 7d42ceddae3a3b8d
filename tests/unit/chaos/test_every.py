"""All checkers together: whatever falls over is a violation, and nothing seen is no verdict."""

import json

import pytest

from chronos.chaos.checkers import every
from chronos.chaos.checkers.audits import judge
from chronos.chaos.checkers.every import PROMISES, Found, World, judges
from chronos.chaos.profile import SMOKE
from chronos.chaos.readers.facts import Entries, Journal, Topic
from chronos.chaos.verdict import verdict
from chronos.embedded.addresses import Addresses, TopicNames
from tests.unit.chaos.town import PARTITIONS, TOPIC, small_town

ADDRESSES = Addresses(
    api="http://127.0.0.1:1",
    query="http://127.0.0.1:1",
    grpc="127.0.0.1:1",
    metrics=(),
    postgres="postgresql://nobody@127.0.0.1:1/nothing",
    kafka="127.0.0.1:1",
    redis="redis://127.0.0.1:1/0",
    elasticsearch="http://127.0.0.1:1",
    api_key="chr_key",
    topics=TopicNames(events=TOPIC, rejections="r", dead_letters="d"),
    partitions=PARTITIONS,
    pids={},
)


def good_world() -> World:
    town = small_town()
    return World(
        history=Found(town.history),
        journal=Found(town.journal()),
        topic=Found(town.topic()),
        redis=Found(town.copies("Redis")),
        documents=Found(town.copies("Elasticsearch")),
        entries=Found(town.entries()),
        view=Found(town.copies("the view")),
        changelog=Found(town.copies("the table's changelog")),
    )


def verdicts(world):
    asked = judges(world, ADDRESSES, SMOKE, [])
    return {name: every._judged(name, judge) for name, judge in asked}


def test_a_good_world_has_no_violation_and_says_what_it_looked_at():
    found = verdicts(good_world())

    assert set(found) == {"C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C10", "C12"}
    assert all(one.holds and one.looked_at > 0 for one in found.values())
    assert {name for name, one in found.items() if one.invalid} == {"C2"}  # two snapshots


@pytest.mark.parametrize(
    ("place", "hit"),
    [
        ("history", {"C2", "C3", "C4", "C7", "C8", "C12"}),
        ("journal", {"C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C10"}),
        ("topic", {"C6"}),
        ("redis", {"C7"}),
        ("entries", {"C7"}),
        ("view", {"C7"}),
        ("changelog", {"C7"}),
    ],
)
def test_what_could_not_be_read_is_a_violation_of_whoever_needs_it(place, hit):
    world = good_world()
    object.__setattr__(world, place, Found(None, f"{place} could not be read: no way"))

    found = verdicts(world)
    assert {name for name, one in found.items() if not one.holds} == hit
    assert all(
        found[name].violations == (f"{place} could not be read: no way",) for name in hit
    )


def test_a_checker_that_falls_over_has_not_found_the_run_good():
    def fall():
        raise ZeroDivisionError("by chance")

    fallen = every._judged("C1", fall)

    assert (fallen.checker, fallen.promise, fallen.looked_at) == ("C1", PROMISES["C1"], 0)
    assert fallen.violations == ("the checker fell over: ZeroDivisionError('by chance')",)


def test_a_verdict_on_nothing_is_invalid():
    empty = every._judged("C1", lambda: verdict("C1", "…", looked_at=0, violations=()))
    world = World(
        history=Found([]),
        journal=Found(Journal()),
        topic=Found(Topic(partitions=PARTITIONS, records=[])),
        redis=Found(small_town().copies()),
        documents=Found(small_town().copies()),
        entries=Found(Entries(counted=0, event_ids=frozenset())),
        view=Found(small_town().copies()),
        changelog=Found(small_town().copies()),
    )

    assert empty.invalid == "there was nothing to look at"
    assert not [one for one in verdicts(world).values() if one.holds and not one.invalid]


def test_there_are_twelve_promises():
    assert list(PROMISES) == [f"C{n}" for n in range(1, 13)]


async def test_a_run_of_which_nothing_can_be_read_is_full_of_violations(tmp_path, monkeypatch):
    monkeypatch.setattr(every.kafka, "REQUEST_DEADLINE_MS", 500)
    found = await every.check_all(
        addresses=ADDRESSES,
        history=tmp_path / "history.jsonl",
        profile=SMOKE,
        injections=[],
        data=tmp_path / "data",
    )

    assert [one.checker for one in found] == list(PROMISES)
    assert not [one for one in found if one.holds]


async def test_what_fifty_requests_at_once_left_is_counted_in_the_journal(monkeypatch):
    asked: list[str] = []

    async def post_at_once(_, key, __):
        asked.append(key)
        return ["of 50 requests at once 2 were executed, not one"]

    async def read_events_of(_, account_id):
        asked.append(account_id)
        return []

    monkeypatch.setattr(every.probe, "post_at_once", post_at_once)
    monkeypatch.setattr(every.postgres, "read_events_of", read_events_of)
    judged = await every._keys(good_world(), ADDRESSES)

    assert asked[1] == "settlement-EUR"
    assert judged.violations == (
        "of 50 requests at once 2 were executed, not one",
        "50 requests at once with one key left 0 events on the payer",
    )


def report(**changes) -> str:
    clean = {"clean": True, "counted": {"events": 7}, "findings": []}
    return json.dumps(clean | changes)


def test_a_clean_report_is_taken():
    assert judge("verify", 0, report(), "") == (7, [])


FINDING = {"check": "hash_chain", "account_id": "alice", "detail": "it differs"}


@pytest.mark.parametrize(
    ("code", "output", "words"),
    [
        (1, report(clean=False, findings=[FINDING]), "alice it differs [hash_chain]"),
        (1, report(), "ended with 1, says clean: True, and has 0 findings"),
        (0, report(clean=False), "ended with 0, says clean: False, and has 0 findings"),
        (0, report(counted={"events": 0}), "looked at no event"),
        (70, "", "ended with 70 and no report: no such folder"),
        (0, "[]", "ended with 0 and no report: no such folder"),
    ],
)
def test_any_other_report_is_a_violation(code, output, words):
    _, findings = judge("verify", code, output, "no such folder")

    assert any(words in what for what in findings)
