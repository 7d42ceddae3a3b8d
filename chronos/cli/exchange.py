"""`chronos exchange alice.eur alice.usd 100.00 EUR 110.00 USD`."""

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


@click.command(name="exchange")
@click.argument("source", metavar="FROM")
@click.argument("destination", metavar="TO")
@click.argument("sold", metavar="SELL CURRENCY", nargs=2)
@click.argument("bought", metavar="BUY CURRENCY", nargs=2)
@click.option("--sell-position", help="The bank's account of the sold currency.")
@click.option("--buy-position", help="The bank's account of the bought currency.")
@click.option("--id", help="Name of the exchange; the server names it otherwise.")
@click.option("--external-id", help="Its name in another system.")
@click.option("--value-date", type=DAY, help="Today when omitted.")
@description_option
@metadata_option
@sending_options
@instance_options
def command(
    source: str,
    destination: str,
    sold: tuple[str, str],
    bought: tuple[str, str],
    data: Path | None,
    *,
    as_json: bool,
    **options: Any,
) -> None:
    """Sell one currency for another: 100.00 EUR of FROM for 110.00 USD on TO."""
    options["metadata"] = metadata_of(options["metadata"])
    sell_currency, buy_currency = sold[1].upper(), bought[1].upper()
    sell, buy = minor_units(sold[0], sell_currency), minor_units(bought[0], buy_currency)
    instance = find_instance(data)

    async def work() -> None:
        async with instance.client() as client:
            booked = await client.transfers.exchange(
                source,
                destination,
                sell_amount=sell,
                buy_amount=buy,
                sell_currency=sell_currency,
                buy_currency=buy_currency,
                **options,
            )
        print_receipt(
            booked,
            f"{booked.id} booked: {money(sell, sell_currency)} for {money(buy, buy_currency)}",
            currencies={posting.account: posting.currency for posting in booked.postings},
            as_json=as_json,
        )

    run(work(), as_json=as_json)
