"""The supervisor with small Python children in the place of servers."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import textwrap
from pathlib import Path

import pytest

from chronos.embedded.folder import DataFolder
from chronos.embedded.process import Command
from chronos.embedded.report import Silence
from chronos.embedded.supervisor import Plan, Supervisor, backoff_s
from chronos.errors import ChronosError, EmbeddedFault

WITHIN_S = 30
SERVES = "open('ready', 'w').close(); import time; time.sleep(600)"


class Notes(Silence):
    def __init__(self):
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def folder(tmp_path):
    made = DataFolder(tmp_path / "data")
    made.make(None)
    made.clear_run()
    return made


@pytest.fixture
def notes():
    return Notes()


def plan(folder: DataFolder, name: str, script: str, *, ready_s: float = WITHIN_S) -> Plan:
    home = folder.path / name
    home.mkdir(exist_ok=True)
    command = Command(
        argv=(sys.executable, "-I", "-S", "-c", textwrap.dedent(script)),
        environment={},
        folder=home,
        log=folder.log / f"{name}.log",
        stop_s=5,
    )

    async def prepared() -> Command:
        (home / "ready").unlink(missing_ok=True)
        return command

    async def probe() -> bool:
        return (home / "ready").exists()

    return Plan(name=name, command=prepared, probe=probe, ready_s=ready_s)


async def until(condition) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():  # noqa: ASYNC110 - processes set no event of ours
            await asyncio.sleep(0.02)


def lives(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_a_killed_child_starts_again_and_its_process_id_stays_true(folder, notes):
    async with Supervisor(folder, notes) as supervisor:
        await supervisor.start(plan(folder, "thing", SERVES))
        first = supervisor.pids["thing"]

        os.kill(first, signal.SIGKILL)
        await until(lambda: supervisor.pids.get("thing") not in (None, first))

        second = supervisor.pids["thing"]
        assert int((folder.run / "pids" / "thing").read_text()) == second
    assert not lives(second)
    assert not list((folder.run / "pids").iterdir())
    assert any("thing ended with exit code -9" in line for line in notes.lines)


async def test_what_a_dead_child_had_started_is_gone_before_its_successor(folder, notes):
    script = f"""
        import subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        open("child", "w").write(str(child.pid))
        {SERVES}
    """
    async with Supervisor(folder, notes) as supervisor:
        await supervisor.start(plan(folder, "thing", script))
        grandchild = int((folder.path / "thing" / "child").read_text())

        os.kill(supervisor.pids["thing"], signal.SIGKILL)

        await until(lambda: not lives(grandchild))


@pytest.mark.parametrize(
    ("code", "advice"), [(70, "chronos verify"), (78, "chronos config show")]
)
async def test_two_exit_codes_are_final_and_say_what_to_run(folder, notes, code, advice):
    script = f"""
        import os, sys, time
        open("ready", "w").close()
        while not os.path.exists("die"): time.sleep(0.01)
        print("chronos: account acc_1 at version 7 disagrees.", file=sys.stderr)
        sys.exit({code})
    """
    async with Supervisor(folder, notes) as supervisor:
        await supervisor.start(plan(folder, "thing", script))
        (folder.path / "thing" / "die").touch()

        await until(lambda: any("for good" in line for line in notes.lines))

        assert "thing" not in supervisor.pids
        (line,) = [line for line in notes.lines if "for good" in line]
        assert "account acc_1 at version 7 disagrees." in line
        assert advice in line


async def test_a_final_exit_code_while_starting_is_the_fault_of_the_start(folder, notes):
    script = "import sys; print('chronos: CHRONOS_X is wrong.'); sys.exit(78)"

    async with Supervisor(folder, notes) as supervisor:
        with pytest.raises(ChronosError, match="CHRONOS_X is wrong") as raised:
            await supervisor.start(plan(folder, "thing", script))

    assert raised.value.exit_code == 78


async def test_a_child_that_dies_again_and_again_fails_the_start_with_its_log(folder, notes):
    script = "import sys; print('no luck'); sys.exit(1)"

    async with Supervisor(folder, notes) as supervisor:
        with pytest.raises(EmbeddedFault, match=r"died 3 times.*thing\.log ends: no luck"):
            await supervisor.start(plan(folder, "thing", script))


async def test_a_child_that_is_never_ready_is_given_up(folder, notes):
    script = "import time; time.sleep(600)"

    async with Supervisor(folder, notes) as supervisor:
        with pytest.raises(EmbeddedFault, match="not ready after"):
            await supervisor.start(plan(folder, "thing", script, ready_s=0.3))


async def test_a_child_that_ignores_the_request_to_stop_is_killed(folder, notes):
    script = f"""
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        {SERVES}
    """
    stubborn = plan(folder, "thing", script)
    command = await stubborn.command()
    impatient = Command(
        argv=command.argv,
        environment={},
        folder=command.folder,
        log=command.log,
        stop_s=0.2,
    )

    async def prepared() -> Command:
        return impatient

    async with Supervisor(folder, notes) as supervisor:
        await supervisor.start(
            Plan(name="thing", command=prepared, probe=stubborn.probe, ready_s=WITHIN_S)
        )
        pid = supervisor.pids["thing"]

    assert not lives(pid)


async def test_a_watchdog_that_is_killed_is_replaced(folder, notes):
    async with Supervisor(folder, notes) as supervisor:
        first = supervisor.watchdog_pid

        os.kill(first, signal.SIGKILL)
        await until(lambda: supervisor.watchdog_pid != first)

        assert lives(supervisor.watchdog_pid)


async def test_cancelling_the_owner_stops_everything(folder, notes):
    started = asyncio.Event()
    pids: dict[str, int] = {}

    async def own() -> None:
        async with Supervisor(folder, notes) as supervisor:
            await supervisor.start(plan(folder, "thing", SERVES))
            pids.update(supervisor.pids)
            started.set()
            await asyncio.Event().wait()

    owner = asyncio.create_task(own())
    await started.wait()
    owner.cancel()
    await asyncio.wait({owner})

    assert owner.cancelled()
    assert not lives(pids["thing"])


async def test_a_folder_that_vanished_keeps_nobody_from_stopping(folder, notes):
    async with Supervisor(folder, notes) as supervisor:
        await supervisor.start(plan(folder, "thing", SERVES))
        pid = supervisor.pids["thing"]
        shutil.rmtree(folder.path)

    assert not lives(pid)


def test_the_pause_before_a_restart_doubles_up_to_a_bound():
    assert [backoff_s(n) for n in (1, 2, 3)] == [0.2, 0.4, 0.8]
    assert backoff_s(50) == 5.0
