"""`chronos entries EUR alice=-125.00 shop=120.00 fees=5.00`."""

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
from chronos.cli.show import instance_options, minor_units, run
from chronos.cli.times import DAY


@click.command(name="entries")
@click.argument("currency")
@click.argument("postings", metavar="ACCOUNT=AMOUNT...", nargs=-1, required=True)
@click.option("--id", help="Name of the entry; the server names it otherwise.")
@click.option("--external-id", help="Its name in another system.")
@click.option("--value-date", type=DAY, help="Today when omitted.")
@description_option
@metadata_option
@sending_options
@instance_options
def command(
    currency: str,
    postings: tuple[str, ...],
    data: Path | None,
    *,
    as_json: bool,
    **options: Any,
) -> None:
    """Book postings that sum to zero: 2 to 100 accounts, each with a signed decimal.

    A credit is positive, a debit negative: `chronos entries EUR alice=-125.00 shop=125.00`.
    """
    options["metadata"] = metadata_of(options["metadata"])
    lines = [_posting(text, currency.upper()) for text in postings]
    instance = find_instance(data)

    async def work() -> None:
        async with instance.client() as client:
            booked = await client.transfers.post(lines, currency=currency.upper(), **options)
        print_receipt(
            booked,
            f"{booked.id} booked: {len(booked.postings)} postings",
            currencies=dict.fromkeys(booked.accounts, currency.upper()),
            as_json=as_json,
        )

    run(work(), as_json=as_json)


def _posting(text: str, currency: str) -> tuple[str, int]:
    account, equals, amount = text.partition("=")
    if not equals or not account:
        raise click.BadParameter(f"{text!r} is not ACCOUNT=AMOUNT, such as alice=-125.00.")
    sign = -1 if amount.startswith("-") else 1
    return account, sign * minor_units(amount.lstrip("+") if sign > 0 else amount[1:], currency)
