"""`chronos backup` and `chronos restore`: the database of a managed instance, out and back."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

import click

from chronos.cli.instance import find_instance
from chronos.cli.owner import data_folder
from chronos.cli.show import instance_options, print_json
from chronos.cli.times import INSTANT
from chronos.cli.up import ENVIRONMENT
from chronos.clock import SystemClock
from chronos.embedded.backup import restore as put_back
from chronos.embedded.backup import take_backup
from chronos.embedded.machine import Machine

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command(name="backup")
@click.argument("to", type=_FOLDER)
@instance_options
def backup(to: Path, data: Path | None, *, as_json: bool) -> None:
    """Copy the database of a running `chronos up`, and its secrets, to a new folder TO.

    PostgreSQL goes on meanwhile. With CHRONOS_WAL_ARCHIVE set for `chronos up`, the copy can
    be brought to any later moment; without it, to the moment of the copy alone.
    """
    instance = find_instance(data)
    work = take_backup(
        Machine.detect(ENVIRONMENT), data_folder(data), instance.postgres_dsn, to.absolute()
    )
    made = asyncio.run(work)
    if as_json:
        print_json({"backup": made})
        return
    print(f"the database and its secrets are in {made}, proved by its manifest: keep it away")


@click.command(name="restore")
@click.argument("source", metavar="FROM", type=_FOLDER)
@click.option("--wal", type=_FOLDER, help="The folder that CHRONOS_WAL_ARCHIVE named.")
@click.option("--until", type=INSTANT, help="Bring back nothing later than this moment.")
@instance_options
def restore(
    source: Path, wal: Path | None, until: datetime | None, data: Path | None, *, as_json: bool
) -> None:
    """Put the backup FROM in the place of the database of a stopped data folder.

    What is there is moved aside, not deleted. Then run `chronos rebuild all`: it starts the
    servers, PostgreSQL reads its log up to the moment, and everything after it is made anew.
    Nothing else of Chronos starts before.
    """
    folder = data_folder(data)
    aside = asyncio.run(
        put_back(
            Machine.detect(ENVIRONMENT),
            folder,
            source.absolute(),
            archive=None if wal is None else wal.absolute(),
            until=until,
            now=SystemClock().now(),
        )
    )
    if as_json:
        print_json({"restored": folder.path, "aside": aside})
        return
    print(f"{folder.path} has the database of {source}")
    if aside is not None:
        print(f"  what was there before is in {aside}")
    print("  next: `chronos rebuild all`, then `chronos up`")
