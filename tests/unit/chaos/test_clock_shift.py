"""A process that is brought up with a shifted clock sees the shift, and nobody else does."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from chronos.chaos.clock_shift import ClockOffset
from chronos.home import code_folder

HOUR_MS = 3_600_000
TELL = """
import sys, time
from pathlib import Path
from chronos.chaos.clock_shift import ClockOffset
ClockOffset(Path(sys.argv[1])).shift_this_process()
from chronos.clock import SystemClock, SystemIds
stamp_ms = int(SystemIds().event_id().replace("-", "")[:12], 16)
print(time.time(), time.time_ns() / 1e9, SystemClock().now().timestamp(), stamp_ms / 1e3)
"""


def told(path: Path) -> list[float]:
    """What a process with the shift takes for the time, by each of the four ways to ask."""
    out = subprocess.run(
        [sys.executable, "-c", TELL, str(path)],
        capture_output=True,
        check=True,
        cwd=code_folder(),
        text=True,
        timeout=60,
    )
    return [float(word) for word in out.stdout.split()]


@pytest.mark.parametrize("offset_ms", [-HOUR_MS, 0, HOUR_MS])
def test_every_wall_clock_of_a_shifted_process_is_off_by_as_much(tmp_path, offset_ms):
    ClockOffset(tmp_path / "clock").step(offset_ms)

    for moment in told(tmp_path / "clock"):
        assert moment - time.time() == pytest.approx(offset_ms / 1e3, abs=60)


def test_a_step_is_seen_by_whoever_shares_the_file(tmp_path):
    here, there = ClockOffset(tmp_path / "clock"), ClockOffset(tmp_path / "clock")

    here.step(-5_000)

    assert there.milliseconds == -5_000


def test_chronos_is_run_with_the_words_that_follow(tmp_path):
    out = subprocess.run(
        [*ClockOffset(tmp_path / "clock").launch(), "currencies", "--help"],
        capture_output=True,
        cwd=code_folder(),
        text=True,
        timeout=60,
        check=False,
    )

    assert out.returncode == 0, out.stderr
    assert out.stdout.startswith("Usage: chronos currencies")
