"""Crash points: which are armed, what they do, and what they cost where none is."""

from __future__ import annotations

import subprocess
import sys
import timeit
from pathlib import Path

import pytest

from chronos.cli.config import settings_table
from chronos.crash_points import EXIT_CODE, CrashPoint, arm, parse, pass_point
from chronos.errors import SettingFault
from chronos.settings import Settings, read
from chronos.telemetry import arming

ROOT = Path(__file__).resolve().parents[2]
# 68 were measured, the call included; the machine that runs this may have other things to do.
NANOSECONDS_MAX = 300
PASSES = 1_000
SLICES = 500
PROGRAM = """
import sys
from chronos.crash_points import CrashPoint, arm, pass_point
arm(sys.argv[1])
for number in range(1, 6):
    pass_point(CrashPoint.AFTER_LOCK)
    print(number, flush=True)
    pass_point(CrashPoint.AFTER_COMMIT)
"""


@pytest.fixture(autouse=True)
def disarmed():
    yield
    arm("")


def test_a_name_is_a_point_and_a_number_is_its_pass():
    assert parse("") is None
    assert parse("after-commit") == (CrashPoint.AFTER_COMMIT, 1)
    assert parse("after-kafka-ack:17") == (CrashPoint.AFTER_KAFKA_ACK, 17)


@pytest.mark.parametrize(
    "text",
    [
        "after-lunch",
        "after-commit:",
        "after-commit:0",
        "after-commit:-1",
        "after-commit:1000001",
        "after-commit:x",
        "after-commit:1:2",
        " after-commit",
        "AFTER_COMMIT",
        "after-commit\n",
        "after-commit:١",
    ],
)
def test_anything_else_is_refused_with_all_that_would_be_taken(text):
    with pytest.raises(SettingFault, match="after-elasticsearch-write") as refused:
        Settings.from_environment({"CHRONOS_CRASH_AT": text})
    assert refused.value.exit_code == 78
    with pytest.raises(ValueError, match="it takes one of"):
        arm(text)


def test_a_setting_reaches_the_child_and_is_shown():
    reading = read({"CHRONOS_CRASH_AT": "after-commit:3"})
    settings = reading.settings

    assert Settings.from_environment(settings.to_environment()) == settings
    (row,) = (row for row in settings_table(reading) if row["variable"] == "CHRONOS_CRASH_AT")
    assert (row["value"], row["source"]) == ("after-commit:3", "environment")
    assert "fault tests only" in row["meaning"]
    assert all(point in row["meaning"] for point in CrashPoint)


@pytest.mark.parametrize(
    ("text", "code", "printed"),
    [
        ("", 0, "1\n2\n3\n4\n5\n"),
        ("after-kafka-ack", 0, "1\n2\n3\n4\n5\n"),
        ("after-lock", EXIT_CODE, ""),
        ("after-commit", EXIT_CODE, "1\n"),
        ("after-commit:4", EXIT_CODE, "1\n2\n3\n4\n"),
    ],
)
def test_the_process_ends_at_the_armed_point_and_at_no_other(text, code, printed):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, text],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert (done.returncode, done.stdout) == (code, printed)
    assert ("crash_point_reached" in done.stderr) == (code == EXIT_CODE)


def test_an_armed_process_says_so_and_another_says_nothing(monkeypatch):
    said = []

    class Log:
        def warning(self, event, **fields):
            said.append((event, fields["crash_at"]))

    monkeypatch.setattr(arming, "_log", Log())

    arming.arm_crash_point("")
    assert said == []
    arming.arm_crash_point("after-redis-write:2")
    assert said == [("crash_point_armed", "after-redis-write:2")]


@pytest.mark.parametrize("armed", ["", "after-kafka-ack"])
def test_a_point_that_is_not_armed_costs_next_to_nothing(armed):
    arm(armed)

    def seconds() -> float:
        return timeit.timeit(lambda: pass_point(CrashPoint.AFTER_LOCK), number=PASSES)

    # The shortest of many short looks is one in which nobody else had the processor.
    assert min(seconds() for _ in range(SLICES)) / PASSES * 1e9 <= NANOSECONDS_MAX


def test_every_point_is_passed_somewhere():
    passed = "".join(
        path.read_text()
        for room in ("agents", "chronos")
        for path in (ROOT / room).rglob("*.py")
    )

    assert [p for p in CrashPoint if f"pass_point(CrashPoint.{p.name})" not in passed] == []
