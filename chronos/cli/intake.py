"""`chronos import FILE`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import click
import msgspec
from rich.console import Console

from chronos.cli.instance import Instance, find_instance
from chronos.cli.show import instance_options, print_json, run
from chronos.client.exchange import Patience
from chronos.client.ledger_client import LedgerClient
from chronos.clock import SystemClock, SystemIds
from chronos.domain.currency import EXPONENTS
from chronos.domain.ids import is_valid_id
from chronos.errors import MissingPart
from chronos.intake.files import Said, Unreadable, read_csv, read_json_lines
from chronos.intake.naming import Naming
from chronos.intake.outcome import WRONG, Judged, Outcome, Tally
from chronos.intake.rows import TYPES, Reading
from chronos.intake.run import Intake

FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}
PATIENCE = Patience(deadline_s=300.0, attempt_s=60.0)


@click.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv"]),
    help="Of the file; its ending says it otherwise.",
)
@click.option(
    "--type",
    "row_type",
    type=click.Choice(TYPES),
    help="Of every row of a table without types.",
)
@click.option(
    "--against",
    multiple=True,
    metavar="CURRENCY=ACCOUNT",
    help="The other side of opening balances.  [default: opening.CURRENCY]",
)
@click.option("--source", default="", help="Where the file is from; see above.")
@click.option("--dry-run", is_flag=True, help="Decide and report, write nothing.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where a JSON line goes for each row that was not taken, with line, code and reason.",
)
@instance_options
def command(  # noqa: PLR0913  what is read, and how
    file: Path,
    data: Path | None,
    *,
    form: str | None,
    row_type: str | None,
    against: tuple[str, ...],
    source: str,
    report: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Bring in accounts, opening balances and past entries from JSON lines or CSV.

    \b
    A row has a type:
      account   id, currency; kind, overdraft_limit, external_id, opened_on
      balance   account, amount (signed), currency: its opening balance
      transfer  from, to, amount, currency
      entry     currency, postings: a list of account and signed amount

    All but accounts may have id, external_id, description and value_date (up to ten
    years back, not before its accounts were opened); all may have metadata and key.

    JSON lines have one object a line. A table names its columns in its first line, with
    commas, semicolons or tabs between them (the same between cells): type, key, id,
    account, currency, kind, overdraft_limit, external_id, opened_on, from, to, amount,
    description, value_date, metadata.KEY. The postings of an entry are rows one after
    another with the same id, each with account and amount. Files are in UTF-8.

    Amounts are decimals such as 1250.00; whole minor units are JSON numbers, or stand in
    the columns amount_minor and overdraft_limit_minor. Thousands have no mark.

    An opening balance is a transfer from the account named by --against, which is opened
    (kind equity) if there is none; a debit goes the other way.

    The same file brought in again changes nothing. A row is known by its key, or else by
    what it says, in whatever file it stands; two equal rows of one file are two. If an equal
    row of another file must be another one, name another --source. A row that was refused
    is tried again.

    A dry run decides each row on what the rows before it would leave. It remembers 200,000
    accounts; refusals of rows beyond are `undecided`.

    Exit code 1 when a row was not taken. What `chronos export` wrote is not for this:
    events are for ever, and come back with PostgreSQL's own backups.
    """  # noqa: D301  click reads the mark of a block as it is
    reading = Reading(naming=Naming(source), against=_other_sides(against))
    chosen = form or FORMATS.get(file.suffix.lower())
    if chosen is None:
        raise click.UsageError("The ending of the file does not say what it is: give --format.")
    if row_type is not None and chosen != "csv":
        raise click.UsageError("--type is for tables; a JSON object has its own.")
    instance = find_instance(data)

    async def work() -> int:
        with (
            _opened(file) as opened,
            _reported(report) as write,
            Console(file=sys.stderr).status("bringing in …") as status,
        ):
            told = 0

            def tell(judged: Judged) -> None:
                nonlocal told
                told += 1
                if judged.outcome in WRONG:
                    write(judged)
                if told % 1000 == 0:
                    status.update(f"{told:,} rows …")

            rows = read_csv(opened, row_type) if chosen == "csv" else read_json_lines(opened)
            tally = await _bring_in(instance, reading, rows, tell, dry_run=dry_run)
        if as_json:
            print_json(tally.to_builtins())
        else:
            _print(tally)
        return 1 if tally.wrong_total else 0

    run(work(), as_json=as_json)


async def _bring_in(
    instance: Instance,
    reading: Reading,
    rows: Iterator[Said | Unreadable],
    tell: Callable[[Judged], None],
    *,
    dry_run: bool,
) -> Tally:
    async with LedgerClient(instance.doors, connections_max=16, patience=PATIENCE) as client:
        intake = Intake(client, reading, clock=SystemClock(), ids=SystemIds(), dry_run=dry_run)
        return await intake.bring_in(rows, tell)


def _other_sides(pairs: tuple[str, ...]) -> Callable[[str], str]:
    """Gives the account on the other side of opening balances, by currency."""
    named: dict[str, str] = {}
    for text in pairs:
        currency, _, account = text.partition("=")
        if currency not in EXPONENTS or not is_valid_id(account):
            raise click.BadParameter(
                f"{text!r} is not CURRENCY=ACCOUNT, such as EUR=equity.opening.",
                param_hint="--against",
            )
        named[currency] = account
    return lambda currency: named.get(currency, f"opening.{currency}")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise MissingPart(f"{path} cannot be read: {error.strerror}.") from error


@contextlib.contextmanager
def _reported(path: Path | None) -> Iterator[Callable[[Judged], None]]:
    """Gives what writes the report, line by line."""
    if path is None:
        yield lambda _: None
        return
    try:
        file = path.open("wb")
    except OSError as error:
        raise MissingPart(f"{path} cannot be written: {error.strerror}.") from error
    with file:
        yield lambda judged: _write(file, judged)


def _write(file: BinaryIO, judged: Judged) -> None:
    file.write(msgspec.json.encode(judged) + b"\n")


def _print(tally: Tally) -> None:
    for one in tally.wrong:
        print(f"line {one.line} {one.outcome}: {one.detail} [{one.code}]")
    if (left := tally.wrong_total - len(tally.wrong)) > 0:
        print(f"… and {left:,} more")
    counted = [f"{tally.counted[o]:,} {o}" for o in Outcome if tally.counted[o]]
    dry = " (dry run: nothing was written)" if tally.is_dry_run else ""
    print(f"{tally.rows:,} rows: {', '.join(counted) or 'none'}{dry}")
