"""`chronos transfer A B 125.00 EUR`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chronos.cli.instance import find_instance
from chronos.cli.show import instance_options, minor_units, money, plain, print_json, run
from chronos.cli.times import DAY


@click.command(name="transfer")
@click.argument("source", metavar="FROM")
@click.argument("destination", metavar="TO")
@click.argument("amount")
@click.argument("currency")
@click.option("--description", help="At most 140 characters.")
@click.option("--value-date", type=DAY, help="Today when omitted.")
@click.option("--key", help="Idempotency key; repeat a command with the same one.")
@instance_options
def command(
    source: str,
    destination: str,
    amount: str,
    currency: str,
    data: Path | None,
    *,
    as_json: bool,
    **options: Any,
) -> None:
    """Move money from one account to another; AMOUNT is a decimal like 125.00."""
    key = options.pop("key")
    minor = minor_units(amount, currency.upper())
    instance = find_instance(data)

    async def work() -> None:
        async with instance.client() as client:
            booked = await client.transfers.make(
                source,
                destination,
                amount=minor,
                currency=currency.upper(),
                key=key,
                **options,
            )
        if as_json:
            print_json(plain(booked))
            return
        again = " (replayed: it was booked before with this key)" if booked.replayed else ""
        print(f"{booked.id} booked: {money(booked.amount, booked.currency)}{again}")
        for account_id in (source, destination):
            after = booked.accounts[account_id]
            available = money(after.available, booked.currency)
            print(f"  {account_id} version {after.version}: {available} available")

    run(work(), as_json=as_json)
