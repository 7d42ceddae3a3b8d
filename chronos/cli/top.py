"""`chronos top`: the pipeline of a running instance, live."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Final

import click
import msgspec
from rich.console import Console
from rich.live import Live

from chronos.cli.instance import find_place
from chronos.cli.show import instance_options, metrics_option, print_json, run
from chronos.cli.top_screen import Page
from chronos.cli.up import quiet_libraries, run_until_signal
from chronos.clock import SystemClock
from chronos.watch.place import Place
from chronos.watch.snapshot import Snapshot, Watcher

FIRST_SPAN_S: Final = 1.0


@click.command(name="top")
@click.option("--once", is_flag=True, help="Print one page, of about a second, and end.")
@click.option(
    "--interval",
    "interval_s",
    type=click.FloatRange(0.5, 60),
    default=2.0,
    show_default=True,
    help="Seconds between two pages.",
)
@metrics_option
@instance_options
def command(
    data: Path | None,
    metrics: tuple[str, ...],
    interval_s: float,
    *,
    once: bool,
    as_json: bool,
) -> None:
    """Watch throughput, latency, refusals, the lag of each stage, and every process.

    Ctrl-C ends it. With --once or --json it looks twice, a second apart, and prints what
    happened in between; neither needs a terminal. What does not answer is shown as such.
    """
    quiet_libraries()
    place = find_place(data, metrics)
    if once or as_json:
        run(_once(place, as_json=as_json), as_json=as_json)
    else:
        run_until_signal(lambda: _watch(place, interval_s))


async def _once(place: Place, *, as_json: bool) -> None:
    async with Watcher(place, SystemClock()) as watcher:
        await watcher.look()
        await asyncio.sleep(FIRST_SPAN_S)
        snapshot = await watcher.look()
    if as_json:
        print_json(msgspec.to_builtins(snapshot))
    else:
        _console().print(_page(snapshot, place))


async def _watch(place: Place, interval_s: float) -> None:
    console = _console()
    async with Watcher(place, SystemClock()) as watcher:
        snapshot = await watcher.look()
        await asyncio.sleep(min(interval_s, FIRST_SPAN_S))
        if not sys.stdout.isatty():
            while True:
                console.print(_page(await watcher.look(), place))
                await asyncio.sleep(interval_s)
        # On a page of its own, which is taken away again however this ends.
        with Live(
            _page(snapshot, place), console=console, screen=True, auto_refresh=False
        ) as live:
            while True:
                live.update(_page(await watcher.look(), place), refresh=True)
                await asyncio.sleep(interval_s)


def _page(snapshot: Snapshot, place: Place) -> Page:
    return Page(snapshot, where=place.command if place.data is None else str(place.data))


def _console() -> Console:
    return Console(highlight=False, markup=False, emoji=False)
