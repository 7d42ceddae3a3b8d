"""`chronos export`: the journal as JSON lines that prove themselves."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click
from rich.console import Console

from chronos.audit.export import End, export_journal
from chronos.cli.instance import find_instance
from chronos.cli.show import instance_options, money, plain, print_json, run
from chronos.clock import SystemClock
from chronos.errors import MissingPart


@click.command(name="export")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where it goes, whole or not at all; standard output when omitted.",
)
@click.option("--dsn", help="PostgreSQL itself, when no instance runs.")
@instance_options
def command(out: Path | None, dsn: str | None, data: Path | None, *, as_json: bool) -> None:
    """Write the journal as JSON lines: one event a line, with its hash.

    The events are one snapshot, by account and version; the first line says what the file is,
    the last one has counts, totals and a digest. `chronos verify --file FILE` proves it without
    any server; note the digest elsewhere to prove later that the file is the same. With --json
    the last line is printed again, on standard error when the journal goes to standard output.
    """
    place = dsn or find_instance(data).postgres_dsn

    async def work() -> None:
        with (
            _opened(out) as write,
            Console(file=sys.stderr).status("reading the journal …") as status,
        ):
            end = await export_journal(
                place,
                write,
                clock=SystemClock(),
                progress=lambda n: status.update(f"{n:,} events written …"),
            )
        if as_json and out is not None:
            print_json(plain(end))
        else:
            _print(end)

    run(work(), as_json=as_json)


@contextmanager
def _opened(out: Path | None) -> Iterator[Callable[[bytes], object]]:
    """Gives what writes; a file has its name only once all of it is on the disk.

    Raises:
        MissingPart: The file cannot be written.
    """
    if out is None:
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    part = out.with_name(out.name + ".part")
    try:
        with part.open("wb", buffering=1 << 20) as file:
            yield file.write
            file.flush()
            os.fsync(file.fileno())
        part.replace(out)
    except OSError as error:
        raise MissingPart(f"{out} cannot be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _print(end: End) -> None:
    print(f"{end.events:,} events of {end.accounts:,} accounts", file=sys.stderr)
    for currency, total in end.totals.items():
        print(f"  grand total {money(total, currency)}", file=sys.stderr)
    print(f"  sha256 {end.sha256}", file=sys.stderr)
