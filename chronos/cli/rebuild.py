"""`chronos rebuild`: makes a read model anew from the journal, the old one kept for a while."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
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

from chronos.assembly.servers_only import servers_only
from chronos.audit.fill_from_topic import Source
from chronos.audit.rebuild import Progress as Told
from chronos.audit.rebuild_all import rebuild_all, rebuild_part
from chronos.audit.rebuild_elasticsearch import drop_old_indices
from chronos.audit.rebuild_redis import drop_old_balances
from chronos.cli.instance import default_data_folder, find_instance
from chronos.cli.show import instance_options, print_json, run
from chronos.cli.up import ENVIRONMENT, quiet_libraries
from chronos.embedded.folder import DataFolder
from chronos.embedded.report import Screen
from chronos.errors import MissingPart
from chronos.settings import Settings
from chronos.store.migrate import migrate
from chronos.wire.topics import Names

LINE_EVERY_S = 5.0
_COPIED = frozenset({"redis", "elasticsearch", "all"})
"""What is made anew beside the old one, or has parts that are."""
_NEXT = {
    "kafka": "next: `chronos rebuild table`, and `chronos up` or the workers; then ",
    "table": "next: `chronos up` or the workers, which replay the events; then ",
    "all": "next: `chronos up` or the workers; then ",
}

drop_option = click.option(
    "--drop-old", is_flag=True, help="Only delete what earlier rebuilds replaced and kept."
)
source_option = click.option(
    "--from",
    "source",
    type=click.Choice([one.value for one in Source]),
    default=Source.AUTO.value,
    show_default=True,
    help="Where events are read first: Kafka spares PostgreSQL, which proves the copy in any "
    "case, and is quicker; auto reads Kafka where its topic is whole and was not just made.",
)


@click.group(name="rebuild")
def command() -> None:
    """Make a read model anew from the journal.

    In Redis and Elasticsearch the new copy is filled unseen, proved equal to the journal, and
    only then takes over; what it replaces is kept until --drop-old. Topics and table are made
    anew in place, while the workers are stopped. A rebuild that was stopped goes on when it is
    run again.

    The servers are those of a running `chronos up`, else those that the CHRONOS_* settings
    name; else the servers of a stopped data folder are started for the work. The database role
    must be the owner, except for Redis and Elasticsearch, where one that may read is enough.
    """


def _target(name: str, text: str) -> None:
    """Adds the command of a target; its help is `text`.

    Those that keep nothing take `--drop-old` too: a script need not know which they are.
    """

    def act(
        data: Path | None,
        *,
        as_json: bool,
        drop_old: bool = False,
        source: str = Source.AUTO.value,
    ) -> None:
        quiet_libraries()
        work = _dropped(name, data, as_json=as_json) if drop_old else None
        run(work or _rebuilt(name, data, Source(source), as_json=as_json), as_json=as_json)

    dropping = drop_option(act)
    decorated = instance_options(source_option(dropping) if name in _COPIED else dropping)
    command.command(name=name, help=text)(decorated)


_target("elasticsearch", "Make history and accounts anew; the mirror may run.")
_target("redis", "Make the balances in Redis anew; the balances workers may run.")
_target(
    "table",
    "Wipe the Faust table; its workers, which must be stopped, replay it at their next start.",
)
_target("kafka", "Make the topics anew, all workers stopped; `table` must follow.")
_target("all", "Make Kafka, table, Redis and Elasticsearch anew, all workers stopped.")


async def _rebuilt(name: str, data: Path | None, source: Source, *, as_json: bool) -> None:
    async with _opened(data) as settings:
        started_s = time.monotonic()
        with shown_progress() as told:
            if name == "all":
                facts = await rebuild_all(settings, progress=told, source=source)
            else:
                facts = await rebuild_part(name, settings, progress=told, source=source)
        seconds = time.monotonic() - started_s
    if as_json:
        print_json({"rebuilt": name, "seconds": round(seconds, 3), **facts})
        return
    print(f"{name}: rebuilt in {seconds:,.1f} s")
    for fact, value in facts.items():
        print(f"  {fact.replace('_', ' ')}: {_as_text(value)}")
    print(f"  {_NEXT.get(name, '')}`chronos reconcile` compares every copy with the journal.")


async def _dropped(name: str, data: Path | None, *, as_json: bool) -> None:
    gone: dict[str, object] = {}
    if name in _COPIED:
        async with _opened(data) as settings:
            names = Names(settings.namespace)
            if name in {"redis", "all"}:
                gone["redis"] = await drop_old_balances(settings.redis_url, names)
            if name in {"elasticsearch", "all"}:
                gone["elasticsearch"] = await drop_old_indices(
                    settings.elasticsearch_url, names
                )
    if as_json:
        print_json({"dropped": gone})
        return
    for part, what in gone.items():
        print(f"{part}: {_as_text(what)} dropped")
    if not gone:
        print(f"{name}: it is made anew in place, so there is no old copy to drop")


@asynccontextmanager
async def _opened(data: Path | None) -> AsyncIterator[Settings]:
    """Finds the servers: of the running instance, of the settings, or started for the work."""
    settings = Settings.from_environment(ENVIRONMENT)
    folder = data or settings.data_dir
    try:
        instance = find_instance(data)
    except MissingPart:
        instance = None
    if instance is not None:
        yield dataclasses.replace(
            settings,
            namespace=instance.names.namespace,
            postgres_dsn=instance.postgres_dsn,
            kafka=instance.kafka,
            redis_url=instance.redis_url,
            elasticsearch_url=instance.elasticsearch_url,
            partitions=instance.partitions,
            relay_shards=instance.relay_shards,
            state_dir=settings.state_dir
            if instance.data is None
            else DataFolder(instance.data).state,
        )
    elif folder is None and settings.postgres_dsn:
        yield settings
    else:
        with Screen() as screen:
            async with servers_only(
                folder or default_data_folder(), environment=ENVIRONMENT, report=screen
            ) as started:
                # A backup that was restored may be of an older version.
                await migrate(started.postgres_dsn)
                yield started


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
        print(f"{phase}: {done:,} of {total:,}", file=sys.stderr)


def _as_text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{what} {_as_text(one)}" for what, one in value.items()) or "nothing"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
