"""`chronos rebuild`: makes a read model anew from the journal, the old one kept for a while."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from chronos.audit.rebuild import Progress as Told
from chronos.audit.rebuild_elasticsearch import drop_old_indices, rebuild_elasticsearch
from chronos.audit.rebuild_redis import drop_old_balances, rebuild_redis
from chronos.cli.instance import find_instance
from chronos.cli.show import instance_options, print_json, run

LINE_EVERY_S = 5.0

drop_option = click.option(
    "--drop-old", is_flag=True, help="Only delete what earlier rebuilds replaced and kept."
)


@click.group(name="rebuild")
def command() -> None:
    """Make a read model anew from the journal.

    The new copy is filled unseen, proved equal to the journal, and only then takes over; what
    it replaces is kept until --drop-old. A rebuild that was stopped goes on when run again.
    """


@command.command()
@drop_option
@instance_options
def elasticsearch(data: Path | None, *, drop_old: bool, as_json: bool) -> None:
    """Make history and accounts in Elasticsearch anew; the mirror may run."""
    instance = find_instance(data)
    url, names = instance.elasticsearch_url, instance.names
    if drop_old:
        _drop("elasticsearch", lambda: drop_old_indices(url, names), as_json=as_json)
        return
    _rebuild(
        "elasticsearch",
        lambda told: rebuild_elasticsearch(instance.postgres_dsn, url, names, progress=told),
        as_json=as_json,
    )


@command.command()
@drop_option
@instance_options
def redis(data: Path | None, *, drop_old: bool, as_json: bool) -> None:
    """Make the balances in Redis anew; the balances workers may run."""
    instance = find_instance(data)
    url, names = instance.redis_url, instance.names
    if drop_old:

        async def drop() -> list[str]:
            return [f"{await drop_old_balances(url, names):,} balances"]

        _drop("redis", drop, as_json=as_json)
        return
    _rebuild(
        "redis",
        lambda told: rebuild_redis(instance.postgres_dsn, url, names, progress=told),
        as_json=as_json,
    )


def _rebuild(
    name: str, work: Callable[[Told], Awaitable[dict[str, object]]], *, as_json: bool
) -> None:
    async def timed() -> None:
        started_s = time.monotonic()
        with shown_progress() as told:
            facts = await work(told)
        seconds = time.monotonic() - started_s
        if as_json:
            print_json({"rebuilt": name, "seconds": round(seconds, 3), **facts})
            return
        print(f"{name}: rebuilt in {seconds:,.1f} s")
        for fact, value in facts.items():
            print(f"  {fact.replace('_', ' ')}: {_as_text(value)}")
        print(
            f"  now `chronos reconcile` compares it, `chronos rebuild {name} --drop-old` tidies"
        )

    run(timed(), as_json=as_json)


def _drop(name: str, work: Callable[[], Awaitable[list[str]]], *, as_json: bool) -> None:
    async def dropped() -> None:
        gone = await work()
        if as_json:
            print_json({"dropped": gone})
            return
        print(f"{name}: {_as_text(gone)} dropped")

    run(dropped(), as_json=as_json)


@contextmanager
def shown_progress() -> Iterator[Told]:
    """Shows progress on standard error: a bar on a terminal, a line now and then elsewhere."""
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield _Lines()
        return
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
    with bar:
        yield _Bars(bar)


class _Bars:
    """One bar for each phase."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._phase = ""
        self._task = bar.add_task("", total=None, visible=False)

    def __call__(self, phase: str, done: int, total: int) -> None:
        if phase != self._phase:
            self._phase = phase
            self._task = self._bar.add_task(phase, total=total)
        self._bar.update(self._task, completed=done, total=total)


class _Lines:
    """A line at the beginning and end of each phase, and every few seconds between."""

    def __init__(self) -> None:
        self._phase = ""
        self._due_s = 0.0

    def __call__(self, phase: str, done: int, total: int) -> None:
        now_s = time.monotonic()
        if phase == self._phase and now_s < self._due_s and done < total:
            return
        if phase == self._phase and done == total and self._due_s == 0.0:
            return
        self._phase = phase
        self._due_s = 0.0 if done == total else now_s + LINE_EVERY_S
        print(f"{phase}: {done:,} of {total:,} events", file=sys.stderr)


def _as_text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{number:,} {what}" for what, number in value.items()) or "nothing"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
