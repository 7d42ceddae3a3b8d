"""`chronos statement ACCOUNT`."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from datetime import date, datetime
from pathlib import Path
from typing import BinaryIO, Literal

import click

from chronos.cli.instance import find_instance
from chronos.cli.show import instance_options, money, run
from chronos.cli.times import BOUND
from chronos.client.ledger_client import LedgerClient
from chronos.client.statements import StatementLine, StatementPage

_AMOUNT_WIDTH = 20


@click.command(name="statement")
@click.argument("account")
@click.option(
    "--from", "since", type=BOUND, help="First day or instant; its opening if omitted."
)
@click.option("--to", "until", type=BOUND, help="Last day, or first instant after it; now.")
@click.option("--csv", "as_csv", is_flag=True, help="Write it as CSV.")
@click.option(
    "--out", type=click.File("wb", lazy=False), default="-", help="Where CSV or JSON goes."
)
@instance_options
def command(  # noqa: PLR0913  a time, a form, a place
    account: str,
    since: date | datetime | None,
    until: date | datetime | None,
    out: BinaryIO,
    data: Path | None,
    *,
    as_csv: bool,
    as_json: bool,
) -> None:
    """State what moved money on an account, with opening, running and closing balance.

    CSV and JSON are written as they come: a statement of any length takes little memory.
    """
    if as_csv and as_json:
        raise click.UsageError("Give --csv or --json, not both.")
    instance = find_instance(data)

    async def work() -> None:
        async with instance.client() as client:
            if not as_csv and not as_json:
                await _print(client, account, since, until)
                return
            form: Literal["csv", "json"] = "csv" if as_csv else "json"
            async with client.accounts.download_statement(
                account, form=form, since=since, until=until
            ) as pieces:
                await _write(pieces, out)

    run(work(), as_json=as_json)


async def _write(pieces: AsyncIterator[bytes], out: BinaryIO) -> None:
    async for piece in pieces:
        out.write(piece)
    out.flush()


async def _print(
    client: LedgerClient,
    account: str,
    since: date | datetime | None,
    until: date | datetime | None,
) -> None:
    """Prints page by page; columns are fixed, as nobody has seen what comes."""
    last: StatementPage | None = None
    async for page in client.accounts.statement(account, since=since, until=until).pages():
        if last is None:
            print(f"{page.account}, {page.since} to {page.until}")
            _print_balance("opening balance", page.opening_balance, page.currency)
        for line in page.data:
            _print_line(line, page.currency)
        last = page
    if last is not None:
        _print_balance("closing balance", last.closing_balance, last.currency)
        if not last.final:
            print("not final yet: a line may still come between", file=sys.stderr)


def _print_line(line: StatementLine, currency: str) -> None:
    amounts = (money(line.amount, currency), money(line.booked_after, currency))
    columns = "  ".join(text.rjust(_AMOUNT_WIDTH) for text in amounts)
    about = " ".join(text for text in (line.counterparty, line.description) if text)
    print(f"{line.booking_date}  {line.value_date}  {columns}  {about}".rstrip())


def _print_balance(name: str, booked: int, currency: str) -> None:
    print(
        f"{name.ljust(22 + 2 + _AMOUNT_WIDTH)}  {money(booked, currency).rjust(_AMOUNT_WIDTH)}"
    )
