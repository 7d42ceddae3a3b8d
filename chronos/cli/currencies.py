"""`chronos currencies`."""

from __future__ import annotations

from pathlib import Path

import click

from chronos.cli.instance import find_instance
from chronos.cli.show import instance_options, plain, print_json, print_table, run


@click.command(name="currencies")
@instance_options
def command(data: Path | None, *, as_json: bool) -> None:
    """List the currencies of ISO 4217, with the decimals of each."""
    instance = find_instance(data)

    async def work() -> None:
        async with instance.client() as client:
            currencies = await client.books.currencies()
        if as_json:
            print_json(plain(currencies))
            return
        print_table(
            ("code", "number", "decimals", "name"),
            [(one.code, one.number, one.exponent, one.name) for one in currencies],
        )

    run(work(), as_json=as_json)
