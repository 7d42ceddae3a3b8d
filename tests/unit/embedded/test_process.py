from __future__ import annotations

import sys
from pathlib import Path

import pytest

from chronos.embedded import process as processes
from chronos.embedded.process import Command, run_to_end, spawn, tail
from chronos.errors import EmbeddedFault


def command(folder: Path, script: str, *, program: str = sys.executable) -> Command:
    return Command(
        argv=(program, "-I", "-S", "-c", script),
        environment={},
        folder=folder,
        log=folder / "thing.log",
    )


async def test_a_short_program_gives_its_output_and_takes_its_input(tmp_path):
    script = "import sys; print(sys.stdin.read().upper())"

    said = await run_to_end(command(tmp_path, script), purpose="it", deadline_s=20, text="abc")

    assert said.strip() == "ABC"


async def test_a_program_that_fails_is_quoted(tmp_path):
    script = "import sys; print('bad luck'); sys.exit(3)"

    with pytest.raises(EmbeddedFault, match="making it failed with exit code 3: bad luck"):
        await run_to_end(command(tmp_path, script), purpose="making it", deadline_s=20)


async def test_a_program_that_hangs_is_ended(tmp_path):
    script = "import time; time.sleep(600)"

    with pytest.raises(EmbeddedFault, match="did not end within"):
        await run_to_end(command(tmp_path, script), purpose="it", deadline_s=0.3)


async def test_a_program_that_is_not_there_is_named(tmp_path):
    with pytest.raises(EmbeddedFault, match="/no/such could not be executed"):
        await spawn(command(tmp_path, "", program="/no/such"))


async def test_files_of_a_child_are_closed_to_others(tmp_path):
    child = await spawn(command(tmp_path, "open('made', 'w').close()"))
    await child.wait()

    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o600


async def test_a_long_log_is_turned_over_at_the_next_start(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "_LOG_BYTES_MAX", 10)
    (tmp_path / "thing.log").write_text("more than ten bytes\n")

    child = await spawn(command(tmp_path, "print('new')"))
    await child.wait()

    assert tail(tmp_path / "thing.log") == ("new",)
    assert tail(tmp_path / "thing.log.1") == ("more than ten bytes",)


def test_the_tail_skips_empty_lines_and_survives_odd_bytes(tmp_path):
    (tmp_path / "log").write_bytes(b"one\n\n\xff two\n   \nthree\n")

    assert tail(tmp_path / "log", 2) == ("\ufffd two", "three")
