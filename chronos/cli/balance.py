"""`chronos balance ID`."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import click

from chronos.cli.instance import find_instance
from chronos.cli.show import instance_options, money, plain, print_fields, print_json, run
from chronos.cli.times import DAY, INSTANT
from chronos.client.answers import Balance
from chronos.client.ledger_client import LedgerClient


@click.command(name="balance")
@click.argument("account_id", metavar="ID")
@click.option("--min-version", type=click.IntRange(1), help="Wait for this version.")
@click.option("--journal", is_flag=True, help="Ask PostgreSQL instead of the read model.")
@click.option("--at", type=INSTANT, help="As recorded by this moment; asks PostgreSQL.")
@click.option("--value-date", type=DAY, help="For this banking day; asks PostgreSQL.")
@instance_options
def command(  # noqa: PLR0913  the four ways to ask
    account_id: str,
    min_version: int | None,
    at: datetime | None,
    value_date: date | None,
    data: Path | None,
    *,
    journal: bool,
    as_json: bool,
) -> None:
    """Show a balance, its version, and who answered."""
    is_past = at is not None or value_date is not None
    if min_version is not None and (journal or is_past):
        raise click.UsageError("PostgreSQL is always current: --min-version goes without it.")
    instance = find_instance(data)

    async def ask(client: LedgerClient) -> Balance:
        if journal or is_past:
            return await client.accounts.balance(account_id, at=at, value_date=value_date)
        return await client.views.balance(account_id, min_version=min_version)

    async def work() -> None:
        async with instance.client() as client:
            balance = await ask(client)
        if as_json:
            print_json(plain(balance))
            return
        print_fields(
            [
                ("account", balance.account),
                ("booked", money(balance.booked, balance.currency)),
                ("held", money(balance.held, balance.currency)),
                ("available", money(balance.available, balance.currency)),
                ("version", balance.version),
                ("as of", balance.as_of),
                ("at", balance.at),
                ("value date", balance.value_date),
                ("final", {None: None, True: "yes", False: "not yet"}[balance.final]),
                ("answered by", balance.source),
            ]
        )

    run(work(), as_json=as_json)
