"""`chronos history ACCOUNT`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chronos.cli.filters import money_filters, narrowed
from chronos.cli.instance import find_instance
from chronos.cli.show import (
    PAGE_ROWS_MAX,
    first,
    instance_options,
    money,
    plain,
    print_json,
    print_table,
    rows_option,
    run,
)
from chronos.client.events import Entry


@click.command(name="history")
@click.argument("account")
@click.option("--type", "type", help="Types of events, with commas, instead of money alone.")
@click.option("--transfer-id", help="Only this transfer.")
@click.option("--min-version", type=click.IntRange(1), help="Wait for this version.")
@money_filters
@rows_option
@instance_options
def command(
    account: str, limit: int, data: Path | None, *, as_json: bool, **options: Any
) -> None:
    """List what happened on an account from the search index, newest first."""
    instance = find_instance(data)

    async def work() -> None:
        async with instance.client() as client:
            currency = None
            if options["min_amount"] is not None or options["max_amount"] is not None:
                currency = (await client.accounts.read(account)).currency
            filters = narrowed(options, currency)
            listing = client.views.entries(account, limit=min(PAGE_ROWS_MAX, limit), **filters)
            found = await first(listing, limit)
        if as_json:
            print_json(plain(found))
            return
        print_table(
            ("recorded", "version", "type", "amount", "booked", "other side", "description"),
            map(_row, found),
        )

    run(work(), as_json=as_json)


def _row(entry: Entry) -> tuple[object, ...]:
    return (
        entry.recorded_at[:19],
        entry.version,
        entry.type,
        "-" if entry.amount is None else money(entry.amount, entry.currency),
        money(entry.booked_after, entry.currency),
        entry.counterparty or "-",
        entry.description or "",
    )
