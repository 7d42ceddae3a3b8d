"""Every fault of the flow, of a process and of the machine that the doctor knows, planted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from chronos.watch.doctor.findings import Code, Severity
from chronos.watch.doctor.flow import judge_dead_letters, judge_relay, judge_stages
from chronos.watch.doctor.machine import (
    judge_disk,
    judge_files,
    judge_port,
    judge_process,
)
from chronos.watch.place import ProcessAddress
from chronos.watch.scraping import Scrape, State
from chronos.watch.stages import STAGES, StageLag
from tests.unit.watch.planted import NAMES, NOW, all_well, outbox, the_only_fault

GIB = 1 << 30
WHOLE = frozenset({0, 1})


def stages(changed: str = "", **planted: object) -> list[StageLag]:
    found = []
    for name in STAGES:
        facts = {"stage": name, "status": "ok", "events": 3, "seconds": 0.4}
        found.append(StageLag(**facts | (planted if name == changed else {})))
    return found


def process(state: State = State.READY, **said: object) -> Scrape:
    address = ProcessAddress(name="mirror", url="http://127.0.0.1:6166")
    samples = {("process_open_fds", ()): 40.0, ("process_max_fds", ()): 65536.0}
    return Scrape(process=address, at_s=1.0, state=state, **{"samples": samples} | said)


def test_a_flow_as_it_should_be_is_well():
    assert all_well(judge_stages(stages()))
    assert all_well(judge_relay(outbox(), outbox(), held=WHOLE, now=NOW))
    assert all_well(judge_process(process()))


@pytest.mark.parametrize("name", STAGES[1:])
@pytest.mark.parametrize(
    ("events", "seconds", "severity"),
    [
        (40_000, 2.0, Severity.WARNING),
        (12, 11.5, Severity.WARNING),
        (12, 400.0, Severity.ERROR),
        (40_000, None, Severity.WARNING),
    ],
)
def test_a_read_model_that_is_behind_is_told_in_events_and_seconds(
    name, events, seconds, severity
):
    wrong = the_only_fault(judge_stages(stages(name, events=events, seconds=seconds)))

    assert (wrong.code, wrong.severity, wrong.about) == (Code.LAG, severity, name)
    assert f"{events:,} events" in wrong.sentence
    assert (f"{seconds:.1f} s" if seconds else "unknown age") in wrong.sentence


@pytest.mark.parametrize(
    ("seconds", "severity"), [(10.5, Severity.WARNING), (61.0, Severity.ERROR)]
)
def test_an_old_outbox_is_told(seconds, severity):
    wrong = the_only_fault(judge_stages(stages("relay", events=7, seconds=seconds)))

    assert (wrong.code, wrong.severity) == (Code.OUTBOX_AGE, severity)
    assert f"{seconds:.1f} s" in wrong.sentence


@pytest.mark.parametrize(("name", "code"), [("relay", Code.OUTBOX_AGE), ("redis", Code.LAG)])
def test_a_stage_that_cannot_be_measured_says_why(name, code):
    planted = stages(name, status="unavailable", events=None, seconds=None, detail="refused")

    wrong = the_only_fault(judge_stages(planted))

    assert (wrong.code, wrong.severity) == (code, Severity.WARNING)
    assert "refused" in wrong.sentence


def test_a_shard_that_nobody_holds_is_an_error():
    found = judge_relay(outbox(9), outbox(9), held=frozenset({0}), now=NOW)

    wrong = the_only_fault(found)

    assert (wrong.code, wrong.about) == (Code.RELAY, "shard 1")
    assert "no relay holds shard 1" in wrong.sentence


def test_a_relay_that_publishes_nothing_is_an_error():
    still = outbox(9, age_s=8.0)

    wrong = the_only_fault(judge_relay(still, still, held=WHOLE, now=NOW))

    assert wrong.code is Code.RELAY
    assert "does not get on" in wrong.sentence
    assert "9 rows wait, the oldest for 8.0 s" in wrong.sentence


def test_a_relay_that_works_through_a_backlog_is_well():
    before, after = outbox(90_000, age_s=300), outbox(89_000, age_s=299)

    assert all_well(judge_relay(before, after, held=WHOLE, now=NOW))


def test_a_row_that_came_a_moment_ago_is_no_standstill():
    young = outbox(1, age_s=1.0)

    assert all_well(judge_relay(young, young, held=WHOLE, now=NOW + timedelta(seconds=1)))


def test_dead_letters_are_a_warning_with_their_number():
    wrong = the_only_fault([judge_dead_letters(NAMES.dead_letters, 1234)])

    assert (wrong.code, wrong.severity) == (Code.DEAD_LETTERS, Severity.WARNING)
    assert "1,234 records" in wrong.sentence
    assert judge_dead_letters(NAMES.dead_letters, 0).severity is Severity.OK
    assert judge_dead_letters(NAMES.dead_letters, None).severity is Severity.OK


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ({"state": State.SILENT, "detail": "no answer", "samples": {}}, "no answer"),
        ({"state": State.STUCK}, "is stuck"),
        ({"state": State.NOT_READY, "detail": "recovering"}, "is not ready: recovering"),
    ],
)
def test_a_process_that_does_not_serve_is_an_error(said, seen):
    wrong = the_only_fault(judge_process(process(**said)))

    assert (wrong.code, wrong.severity) == (Code.PROCESS, Severity.ERROR)
    assert seen in wrong.sentence
    assert "mirror.log" in wrong.action


def test_a_process_that_waits_for_a_store_is_a_warning():
    wrong = the_only_fault(judge_process(process(waiting_for=("elasticsearch",))))

    assert (wrong.code, wrong.severity) == (Code.PROCESS, Severity.WARNING)
    assert "waits for elasticsearch" in wrong.sentence


def test_a_low_limit_of_files_is_a_warning_and_one_that_is_reached_an_error():
    low = judge_files("relay", 40, 1024)
    reached = judge_files("api-0", 60_000, 65_536)
    fine = judge_files("kafka", None, 65_536)

    assert (low.code, low.severity) == (Code.FILE_DESCRIPTORS, Severity.WARNING)
    assert "may open 1,024 files and has 40 open" in low.sentence
    assert reached.severity is Severity.ERROR
    assert fine.severity is Severity.OK


def test_a_process_tells_its_own_limit_of_files():
    low = {("process_open_fds", ()): 40.0, ("process_max_fds", ()): 256.0}

    assert the_only_fault(judge_process(process(samples=low))).code is Code.FILE_DESCRIPTORS


def test_a_port_where_nobody_listens_is_an_error():
    wrong = judge_port("the gRPC door", "127.0.0.1:50051", listens=False)

    assert (wrong.code, wrong.severity) == (Code.PORT, Severity.ERROR)
    assert "nobody listens at 127.0.0.1:50051" in wrong.sentence
    assert judge_port("x", "127.0.0.1:1", listens=True).severity is Severity.OK


@pytest.mark.parametrize(
    ("free", "total", "severity"),
    [
        (50 * GIB, 100 * GIB, Severity.OK),
        (8 * GIB, 100 * GIB, Severity.WARNING),
        (2 * GIB, 100 * GIB, Severity.ERROR),
        (GIB // 2, 1 * GIB, Severity.ERROR),
    ],
)
def test_a_disk_is_judged_by_the_room_that_is_left(free, total, severity):
    found = judge_disk(Path("/data"), free_bytes=free, total_bytes=total)

    assert (found.code, found.severity) == (Code.DISK, severity)
    assert f"{free / GIB:.1f} GiB" in found.sentence


def test_a_silent_process_says_nothing_of_its_files():
    silent = replace(process(State.SILENT), samples={})

    assert [one.code for one in judge_process(silent)] == [Code.PROCESS]


def test_every_code_is_explained_in_the_room():
    text = (Path(__file__).parents[3] / "chronos/watch/README.md").read_text()

    assert [code for code in Code if f"`{code}`" not in text] == []
