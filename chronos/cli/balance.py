"""`chronos balance ID`."""

from __future__ import annotations

from pathlib import Path

import click

from chronos.cli.instance import find_instance
from chronos.cli.show import instance_options, money, plain, print_fields, print_json, run


@click.command(name="balance")
@click.argument("account_id", metavar="ID")
@click.option("--min-version", type=click.IntRange(1), help="Wait for this version.")
@click.option("--journal", is_flag=True, help="Ask PostgreSQL instead of the read model.")
@instance_options
def command(
    account_id: str,
    min_version: int | None,
    data: Path | None,
    *,
    journal: bool,
    as_json: bool,
) -> None:
    """Show a balance, its version, and who answered."""
    instance = find_instance(data)

    async def work() -> None:
        async with instance.client() as client:
            if journal:
                balance = await client.accounts.balance(account_id)
            else:
                balance = await client.views.balance(account_id, min_version=min_version)
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
                ("answered by", balance.source),
            ]
        )

    run(work(), as_json=as_json)
