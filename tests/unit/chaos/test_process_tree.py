"""The processes behind a child are found, also those that lead a session of their own."""

import asyncio
import os
import signal
import sys

import pytest

from chronos.chaos.process_tree import kill_all, members, runs, signal_all

# A parent with two children: one in its group, one that leads a session of its own.
PARENT = """
import os, subprocess, sys
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
near = subprocess.Popen(sleep)
far = subprocess.Popen(sleep, start_new_session=True)
print(near.pid, far.pid, flush=True)
near.wait()
"""


@pytest.fixture
async def family():
    """Leader, member of its group, member with its own session."""
    leader = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    near, far = (int(word) for word in (await leader.stdout.readline()).split())
    yield leader.pid, near, far
    for pid in (leader.pid, near, far):
        if runs(pid):
            os.kill(pid, signal.SIGKILL)
    await leader.wait()


async def until_all_are(family, states):
    async with asyncio.timeout(5):
        while not {state_of(pid) for pid in family} <= states:  # noqa: ASYNC110 - they tell nobody
            await asyncio.sleep(0.01)


def state_of(pid):
    with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - read while it may vanish
        return file.read().rpartition(")")[2].split()[0]


async def test_children_are_members_wherever_their_session_is(family):
    leader, near, far = family

    assert members(leader)[0] == leader
    assert set(members(leader)) == {leader, near, far}


async def test_a_signal_reaches_all_of_them(family):
    signal_all(family[0], signal.SIGSTOP)
    await until_all_are(family, {"T"})

    signal_all(family[0], signal.SIGCONT)
    await until_all_are(family, {"S", "R"})


async def test_killing_returns_when_all_of_them_are_gone(family):
    killed = await kill_all(family[0])

    assert set(killed) == set(family)
    assert not any(runs(pid) for pid in family)
