"""What `chronos up` refuses before it starts anything: one sentence, its own exit code."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
WITHIN_S = 60


async def up(*arguments: str, **variables: str) -> tuple[int, str]:
    """Runs `chronos up` to its end and gives its exit code and what it said."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CHRONOS_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chronos", "up", *arguments),
        cwd=ROOT,
        env=environment | variables,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        async with asyncio.timeout(WITHIN_S):
            _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()  # Its watchdog ends the servers.
            await process.wait()
    return process.returncode, said.decode()


def one_sentence(said: str) -> str:
    assert said.startswith("chronos: ")
    assert said.count("\n") == 1, said
    return said


async def test_a_busy_port_is_named_and_a_free_block_is_offered(data_folder):
    with socket.socket() as taken:
        base = 14_100
        taken.bind(("127.0.0.1", base))
        taken.listen()

        code, said = await up("--data", str(data_folder), "--port", str(base))

    assert code == 1
    assert f"Port {base} (the command API) is in use" in one_sentence(said)
    assert "--port " in said


async def test_an_unknown_setting_is_refused(data_folder):
    code, said = await up("--data", str(data_folder), CHRONOS_PARTITION="8")

    assert code == 78
    assert "CHRONOS_PARTITION" in one_sentence(said)


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("--balances", "0"), "--balances"),
        (("--balances", "31"), "--balances"),
        (("--api-processes", "0"), "--api-processes"),
        (("--port", "80"), "--port"),
    ],
)
async def test_numbers_out_of_range_are_refused(data_folder, arguments, option):
    code, said = await up("--data", str(data_folder), *arguments)

    assert code == 78
    assert option in one_sentence(said)


async def test_a_kept_folder_cannot_be_ephemeral(data_folder):
    code, said = await up("--data", str(data_folder), "--ephemeral")

    assert code == 78
    assert "--data" in one_sentence(said)


async def test_a_folder_with_other_files_is_left_alone(data_folder):
    data_folder.mkdir()
    (data_folder / "letter.txt").write_text("mine")

    code, said = await up("--data", str(data_folder), "--port", "0")

    assert code == 1
    assert "not of Chronos" in one_sentence(said)
    assert [path.name for path in data_folder.iterdir()] == ["letter.txt"]


async def test_a_java_that_is_none_is_named(data_folder):
    code, said = await up("--data", str(data_folder), "--port", "0", CHRONOS_JAVA="/bin/true")

    assert code == 78
    assert "CHRONOS_JAVA" in said.splitlines()[-1]
