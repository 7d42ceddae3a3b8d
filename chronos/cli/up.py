"""`chronos up`: the whole pipeline until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import click
import structlog

from chronos.assembly.pipeline import Pipeline
from chronos.embedded.addresses import Addresses
from chronos.embedded.machine import Machine
from chronos.embedded.report import Screen
from chronos.errors import SettingFault
from chronos.settings import Settings

# The settings are read by chronos.settings; this is only handed to it and to the servers.
ENVIRONMENT = os.environ  # noqa: TID251 - the door through which the environment comes in


@click.command(short_help="run the whole pipeline until Ctrl-C")
@click.option("--data", type=click.Path(path_type=Path), help="Data folder; it is kept.")
@click.option("--ephemeral", is_flag=True, help="Use a new folder and remove it at the end.")
@click.option(
    "--api-processes", type=int, default=1, show_default=True, help="Command endpoints."
)
@click.option("--balances", type=int, default=1, show_default=True, help="Balances workers.")
@click.option(
    "--port",
    type=int,
    help="Port of the command API; all others follow it in one block of 100. "
    "0 takes a free block, once. Without it: the ports that the folder had before, or 8080 and "
    "the other well-known ones.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the addresses as JSON.")
def command(
    data: Path | None,
    ephemeral: bool,  # noqa: FBT001 - click calls it by name
    api_processes: int,
    balances: int,
    port: int | None,
    as_json: bool,  # noqa: FBT001 - click calls it by name
) -> None:
    """Start PostgreSQL, Kafka, Redis, Elasticsearch and all processes of Chronos.

    A server that is given by address is used instead of starting one: CHRONOS_POSTGRES_DSN,
    CHRONOS_KAFKA, CHRONOS_REDIS_URL, CHRONOS_ELASTICSEARCH_URL.
    """
    with _folder(data, ephemeral=ephemeral) as folder:

        async def work() -> None:
            with Screen() as screen:
                pipeline = Pipeline(
                    folder,
                    environment=ENVIRONMENT,
                    report=screen,
                    port=port,
                    api_processes=api_processes,
                    balances=balances,
                )
                async with pipeline:
                    _print(pipeline.addresses, folder, as_json=as_json)
                    await asyncio.Event().wait()

        quiet_libraries()
        run_until_signal(work)


def run_until_signal(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs work; the first SIGINT or SIGTERM cancels it, so that it stops in order.

    Later signals change nothing: stopping is bounded in itself.
    """

    async def main() -> None:
        task = asyncio.create_task(work())
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, _cancel_once, task)
        await asyncio.wait({task})
        if not task.cancelled():
            task.result()

    asyncio.run(main())


def quiet_libraries() -> None:
    """Keeps what libraries log out of the terminal of a person; children have log files."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    logging.getLogger("elastic_transport").setLevel(logging.CRITICAL)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(file=click.get_text_stream("stderr")),
    )


@contextlib.contextmanager
def _folder(data: Path | None, *, ephemeral: bool) -> Iterator[Path]:
    if data is not None and ephemeral:
        raise SettingFault("--ephemeral", "makes a folder of its own; leave --data away")
    if not ephemeral:
        named = data or Settings.from_environment(ENVIRONMENT).data_dir
        yield named or Machine.detect(ENVIRONMENT).data
        return
    made = Path(tempfile.mkdtemp(prefix="chronos-"))
    made.chmod(0o711)  # The servers' account enters it; it is ours.
    try:
        yield made / "data"
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _cancel_once(task: asyncio.Task[None]) -> None:
    if not task.cancelling():
        task.cancel()


def _print(addresses: Addresses, folder: Path, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(addresses), indent=2))
        return
    rows = {
        "command API": addresses.api,
        "query side": addresses.query,
        "metrics": " ".join(addresses.metrics),
        "PostgreSQL": addresses.postgres,
        "Kafka": addresses.kafka,
        "Redis": addresses.redis,
        "Elasticsearch": addresses.elasticsearch,
        "API key": addresses.api_key,
        "all of this": folder / "run" / "addresses.json",
        "logs": folder / "log",
    }
    click.echo("\nChronos is ready; Ctrl-C stops it.\n")
    for name, value in rows.items():
        click.echo(f"  {name:<14} {value}")
    click.echo(
        f"\n  curl -H 'Authorization: Bearer {addresses.api_key}' "
        f"{addresses.api}/v1/trial-balance\n"
    )
