"""What the commands under `chronos bench` measure: parts of their own, or a given Chronos."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from chronos.bench.load import Door
from chronos.bench.stack import Parts, Side, started_side
from chronos.cli.instance import find_instance
from chronos.cli.up import ENVIRONMENT
from chronos.client.doors import Doors
from chronos.embedded.machine import Machine
from chronos.embedded.report import Report
from chronos.errors import SettingFault
from chronos.settings import Settings

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the options name; nothing named means parts of one's own."""

    data: Path | None
    api: str | None
    queries: tuple[str, ...]

    @property
    def is_given(self) -> bool:
        """Tells whether a Chronos is measured that runs already."""
        return bool(self.data or self.api or self.queries)


def target_options(function: _F) -> _F:
    """Adds `--data`, `--api` and `--query`, which name a Chronos that runs already."""
    options = (
        click.option(
            "--data",
            type=click.Path(file_okay=False, path_type=Path),
            help="Measure the `chronos up` that runs on this folder. Its accounts stay there.",
        ),
        click.option(
            "--api",
            metavar="URL",
            help="Measure this command endpoint, with the key in CHRONOS_API_KEY.",
        ),
        click.option(
            "--query",
            "queries",
            metavar="URL",
            multiple=True,
            help="A balances worker beside --api; again for each.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


@asynccontextmanager
async def side_of(
    target: Target, parts: Parts, folder: Path, *, report: Report
) -> AsyncIterator[Side]:
    """Gives what is measured.

    Args:
        target: What the options name.
        parts: What is started when they name nothing.
        folder: A new data folder; logs go beside it when none is needed.
        report: Where to tell what is started.

    Raises:
        ChronosError: A part could not be started, or nothing is where the options say.
    """
    if not target.is_given:
        async with started_side(
            folder, parts, environment=ENVIRONMENT, report=report
        ) as started:
            yield started
        return
    yield given_side(target, folder.parent)


def given_side(target: Target, log: Path) -> Side:
    """Gives a Chronos that runs already.

    Raises:
        MissingPart: Nothing runs on the folder.
        SettingFault: The options contradict each other, or there is no API key.
        BenchFault: The driver cannot speak to an address.
    """
    machine = Machine.detect(ENVIRONMENT)
    if target.data is not None:
        if target.api or target.queries:
            raise SettingFault("--data", "names all addresses; leave --api and --query away")
        instance = find_instance(target.data)
        return Side(
            doors=instance.doors,
            queries=(instance.doors.query, *instance.other_queries),
            partitions=instance.partitions,
            postgres_dsn=instance.postgres_dsn,
            machine=machine,
            log=log,
            facts={"started": "by others"},
        )
    settings = Settings.from_environment(ENVIRONMENT)
    if not target.api:
        raise SettingFault("--query", "names workers beside a command endpoint; name --api too")
    if not settings.api_key:
        raise SettingFault("CHRONOS_API_KEY", "is empty; --api needs the key to send")
    queries = tuple(one.rstrip("/") for one in target.queries)
    api = target.api.rstrip("/")
    for url in (api, *queries):
        Door.at(url)  # Before anything is opened there.
    return Side(
        doors=Doors(command=api, query=next(iter(queries), api), api_key=settings.api_key),
        queries=queries,
        partitions=settings.partitions,
        postgres_dsn=settings.postgres_dsn,
        machine=machine,
        log=log,
        facts={"started": "by others"},
    )
