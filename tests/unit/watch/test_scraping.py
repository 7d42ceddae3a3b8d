"""One process asked for its health: ready, stuck, silent, slow, or talking nonsense."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from chronos.clock import SystemClock
from chronos.watch import scraping
from chronos.watch.place import ProcessAddress
from chronos.watch.process_table import read_usage
from chronos.watch.scraping import State, scrape

WELL = {
    "/healthz": (200, '{"status": "ok", "waiting_for": []}'),
    "/readyz": (200, '{"ready": true}'),
    "/metrics": (200, "process_start_time_seconds 5\nn_total 3\n"),
}


@asynccontextmanager
async def answering(**changed: tuple[int, str]):
    """A process that answers as told; gives its address."""
    answers = WELL | {f"/{name}": answer for name, answer in changed.items()}

    async def answer(request: web.Request) -> web.Response:
        status, text = answers[request.path]
        return web.Response(status=status, text=text)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


async def said(url: str):
    async with aiohttp.ClientSession() as session:
        return await scrape(session, ProcessAddress(name="relay", url=url), SystemClock())


async def test_a_process_that_is_well_gives_its_numbers():
    async with answering() as url:
        found = await said(url)

    assert (found.state, found.detail) == (State.READY, "")
    assert found.started_at_s == 5
    assert found.value("n_total") == 3


@pytest.mark.parametrize(
    ("changed", "state", "detail"),
    [
        ({"healthz": (503, '{"status": "stuck"}')}, State.STUCK, "/healthz answers 503"),
        ({"readyz": (503, '{"reason": "recovering"}')}, State.NOT_READY, "recovering"),
        ({"readyz": (503, '{"detail": "no PostgreSQL"}')}, State.NOT_READY, "no PostgreSQL"),
        ({"readyz": (503, "<html>")}, State.NOT_READY, "/readyz answers 503"),
        ({"readyz": (503, "[1]")}, State.NOT_READY, "/readyz answers 503"),
    ],
)
async def test_a_process_that_is_not_well_says_why(changed, state, detail):
    async with answering(**changed) as url:
        found = await said(url)

    assert (found.state, found.detail) == (state, detail)
    assert found.value("n_total") == 3


async def test_stores_that_are_waited_for_are_told():
    health = '{"status": "ok", "waiting_for": ["elasticsearch"]}'
    async with answering(healthz=(200, health)) as url:
        assert (await said(url)).waiting_for == ("elasticsearch",)


@pytest.mark.parametrize("text", ["a{b 1", "a one"])
async def test_metrics_that_are_nonsense_are_no_numbers(text):
    async with answering(metrics=(200, text)) as url:
        found = await said(url)

    assert found.state is State.SILENT
    assert "cannot be read" in found.detail


async def test_an_endless_answer_is_given_up(monkeypatch):
    monkeypatch.setattr(scraping, "_BODY_BYTES_MAX", 1 << 20)
    async with answering(metrics=(200, "#" * (2 << 20))) as url:
        found = await said(url)

    assert found.state is State.SILENT
    assert "longer than 1 MiB" in found.detail


async def test_one_that_says_nothing_is_silent_in_time():
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        started_s = time.monotonic()

        found = await said(f"http://127.0.0.1:{mute.getsockname()[1]}")

    assert found.state is State.SILENT
    assert "no answer within 1.5 s" in found.detail
    assert time.monotonic() - started_s < 10


async def test_one_that_is_not_there_is_silent():
    found = await said("http://127.0.0.1:1")

    assert (found.state, dict(found.samples)) == (State.SILENT, {})


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_a_process_is_counted_with_its_children():
    child = "import time; held = bytearray(48 << 20); print(flush=True); time.sleep(60)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    running = subprocess.Popen(
        [sys.executable, "-c", parent], stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        running.stdout.readline()

        usage = read_usage({"it": running.pid, "gone": 2**22 + 1, "me": os.getpid()})
    finally:
        os.killpg(running.pid, 9)
        running.communicate()

    assert set(usage) == {"it", "me"}
    assert usage["it"].memory_bytes > 48 << 20
    assert usage["it"].up_s < usage["me"].up_s
    assert usage["it"].open_files_max > 0
