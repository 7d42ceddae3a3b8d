"""`chronos reverse TRANSFER`."""

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
from chronos.cli.show import instance_options, run
from chronos.cli.times import DAY


@click.command(name="reverse")
@click.argument("transfer", metavar="TRANSFER")
@click.option("--id", "transfer_id", help="Name of the reversal.")
@click.option("--value-date", type=DAY, help="Today when omitted.")
@description_option
@metadata_option
@sending_options
@instance_options
def command(transfer: str, data: Path | None, *, as_json: bool, **options: Any) -> None:
    """Book a transfer, entry or exchange once more with its sides swapped."""
    options["metadata"] = metadata_of(options["metadata"])
    instance = find_instance(data)

    async def work() -> None:
        async with instance.client() as client:
            booked = await client.transfers.reverse(transfer, **options)
        print_receipt(
            booked,
            f"{booked.id} reverses {booked.reverses}",
            currencies={posting.account: posting.currency for posting in booked.postings},
            as_json=as_json,
        )

    run(work(), as_json=as_json)
