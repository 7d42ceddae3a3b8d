"""`chronos transfer A B 125.00 EUR`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chronos.cli.instance import find_instance
from chronos.cli.sending import (
    description_option,
    metadata_of,
    metadata_option,
    print_receipt,
    sending_options,
)
from chronos.cli.show import instance_options, minor_units, money, run
from chronos.cli.times import DAY


@click.command(name="transfer")
@click.argument("source", metavar="FROM")
@click.argument("destination", metavar="TO")
@click.argument("amount")
@click.argument("currency")
@click.option("--id", help="Name of the transfer; the server names it otherwise.")
@click.option("--external-id", help="Its name in another system.")
@click.option("--value-date", type=DAY, help="Today when omitted.")
@description_option
@metadata_option
@sending_options
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
    options["metadata"] = metadata_of(options["metadata"])
    minor = minor_units(amount, currency.upper())
    instance = find_instance(data)

    async def work() -> None:
        async with instance.client() as client:
            booked = await client.transfers.make(
                source, destination, amount=minor, currency=currency.upper(), **options
            )
        print_receipt(
            booked,
            f"{booked.id} booked: {money(booked.amount, booked.currency)}",
            currencies=dict.fromkeys(booked.accounts, booked.currency),
            as_json=as_json,
        )

    run(work(), as_json=as_json)
