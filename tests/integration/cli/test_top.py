"""`chronos top` as people and scripts run it: with a terminal, without one, beside the dead."""

import asyncio
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.integration.cli.conftest import PROGRAM, ROOT

WAIT_S = 60
ENTERED, LEFT, CURSOR = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h"
NOWHERE = "127.0.0.1:1"


def change(data: str, **addresses: object) -> None:
    path = Path(data) / "run" / "addresses.json"
    known = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(known | addresses), encoding="utf-8")


class Counting:
    """A process of the API that has counted a hundred more transfers at each look."""

    def __init__(self) -> None:
        self.count = 5_000_000

    async def answer(self, request: web.Request) -> web.Response:
        if request.path != "/metrics":
            return web.json_response({"ready": True, "reason": "\x1b[2J"})
        self.count += 100
        text = f"""
process_start_time_seconds 1000
process_resident_memory_bytes 70000000
chronos_http_request_seconds_bucket{{method="POST",route="/v1/x",le="0.01"}} {self.count}
chronos_http_request_seconds_bucket{{method="POST",route="/v1/x",le="+Inf"}} {self.count}
chronos_append_events_total{{type="MoneyWithdrawn"}} {self.count}
chronos_rejections_total{{code="limit\x9b31m"}} 7
"""
        return web.Response(text=text)


@pytest.fixture
async def counting(data):
    """Such a process, which the data folder knows as the only one."""
    process, app = Counting(), web.Application()
    app.router.add_get("/{path:.*}", process.answer)
    async with TestServer(app) as server:
        change(data, metrics=[str(server.make_url("/metrics"))])
        yield process


@pytest.mark.usefixtures("counting")
async def test_a_snapshot_as_json_has_rates_lags_and_processes(run, data):
    ended = await run("top", "--json", "--data", data)

    assert ended.code == 0, ended.err
    seen = ended.json
    assert 0 < seen["traffic"]["transfers_per_s"] <= 200
    assert seen["traffic"]["p99_ms"] <= 10
    (row,) = seen["processes"]
    assert (row["state"], row["memory_bytes"]) == ("ready", 70_000_000)
    stages = {stage["stage"]: stage for stage in seen["stages"]}
    assert set(stages) == {"relay", "balances", "redis", "entries", "accounts"}
    assert (stages["relay"]["status"], stages["relay"]["events"]) == ("ok", 0)
    assert len(stages["entries"]["parts"]) == 4
    assert all(one.isprintable() or one == "\n" for one in ended.out)


async def test_one_page_needs_no_terminal_and_shows_what_is_dead(run, data):
    change(
        data,
        metrics=[f"http://{NOWHERE}/metrics"],
        kafka=NOWHERE,
        postgres=f"postgresql://x:geheim@{NOWHERE}/x",
        query=f"http://{NOWHERE}",
    )

    ended = await run("top", "--once", "--data", data, COLUMNS="80")

    assert ended.code == 0, ended.err
    assert "\x1b" not in ended.out
    assert "geheim" not in ended.out + ended.err
    assert max(map(len, ended.out.splitlines())) <= 80
    assert "1 of 1 processes are not well" in ended.out
    assert "process-0 is silent" in ended.out
    assert "- transfers/s" in ended.out
    assert ended.out.count(" is not known: ") == 5


async def test_an_address_that_is_none_is_shown_as_such(run, data):
    change(data, postgres="postgresql://x:geheim@host:port/y")

    ended = await run("top", "--json", "--data", data)

    assert ended.code == 0, ended.err
    stages = {stage["stage"]: stage for stage in ended.json["stages"]}
    assert (stages["relay"]["status"], stages["entries"]["status"]) == ("unavailable", "ok")
    assert "geheim" not in ended.out + ended.err


@pytest.mark.usefixtures("counting")
async def test_ctrl_c_leaves_the_terminal_as_it_was(data):
    main, other = pty.openpty()
    resize(main, rows=30, columns=80)
    before = termios.tcgetattr(other)
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, "top", "--interval", "0.5", "--data", data,
        stdin=other, stdout=other, stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm"},
        preexec_fn=lambda: (os.setsid(), fcntl.ioctl(0, termios.TIOCSCTTY, 0)),
    )  # fmt: skip
    try:
        shown = await read_until(main, lambda seen: seen.count(b"transfers/s") >= 2)
        resize(main, rows=12, columns=50)
        shown += await read_until(main, lambda seen: seen.count(b"transfers/s") >= 2)
        os.write(main, b"\x03")
        shown += await read_until(main, lambda seen: LEFT in seen)
        code = await asyncio.wait_for(running.wait(), WAIT_S)
        after = termios.tcgetattr(other)
    finally:
        if running.returncode is None:
            running.kill()
        os.close(main)
        os.close(other)

    assert code == 0
    assert shown.index(ENTERED) < shown.index(b"transfers/s") < shown.rindex(LEFT)
    assert CURSOR in shown[shown.rindex(b"transfers/s") :]
    assert after == before
    assert b"\x9b31m" not in shown
    assert "\x9b31m".encode() not in shown


def resize(terminal: int, *, rows: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


async def read_until(terminal: int, enough) -> bytes:
    """Reads what a program writes to its terminal until there is enough of it."""
    seen, end_s = b"", time.monotonic() + WAIT_S
    while not enough(seen):
        if time.monotonic() >= end_s:
            raise TimeoutError(seen)
        seen += await asyncio.to_thread(os.read, terminal, 65_536)
    return seen


async def test_a_wrong_option_ends_with_two_and_no_instance_with_one(run, tmp_path):
    wrong = await run("top", "--interval", "0")
    nothing = await run("top", "--once", "--data", str(tmp_path / "none"))

    assert (wrong.code, nothing.code) == (2, 1)
    assert "chronos up --data" in nothing.err
