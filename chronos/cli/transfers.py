"""`chronos transfers list | show`."""

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
    print_fields,
    print_json,
    print_table,
    rows_option,
    run,
)
from chronos.client.answers import JournalEntry


@click.group(name="transfers")
def command() -> None:
    """List and show transfers and all other journal entries."""


@command.command(name="list")
@click.option("--account", help="Only those that touch this account.")
@click.option("--currency", help="Only this currency.")
@money_filters
@rows_option
@instance_options
def list_(
    account: str | None,
    currency: str | None,
    limit: int,
    data: Path | None,
    *,
    as_json: bool,
    **options: Any,
) -> None:
    """List journal entries from the search index, newest first."""
    code = None if currency is None else currency.upper()
    filters = narrowed(options, code)
    instance = find_instance(data)

    async def work() -> None:
        async with instance.client() as client:
            listing = client.views.transfers(
                account=account, currency=code, limit=min(PAGE_ROWS_MAX, limit), **filters
            )
            found = await first(listing, limit)
        if as_json:
            print_json(plain(found))
            return
        print_table(
            ("recorded", "value date", "id", "from", "to", "amount", "description"),
            map(_row, found),
        )

    run(work(), as_json=as_json)


@command.command()
@click.argument("transfer", metavar="ID")
@instance_options
def show(transfer: str, data: Path | None, *, as_json: bool) -> None:
    """Show a journal entry as the journal has it, with all its postings."""
    instance = find_instance(data)

    async def work() -> None:
        async with instance.client() as client:
            entry = await client.transfers.read(transfer)
        if as_json:
            print_json(plain(entry))
            return
        pairs = " ".join(f"{key}={value}" for key, value in sorted(entry.metadata.items()))
        print_fields(
            [
                ("id", entry.id),
                ("position", entry.position),
                ("recorded", entry.recorded_at),
                ("value date", entry.value_date),
                ("description", entry.description),
                ("external id", entry.external_id),
                ("metadata", pairs or None),
                ("reverses", entry.reverses),
            ]
        )
        print_table(
            ("account", "amount"),
            [(one.account, money(one.amount, one.currency)) for one in entry.postings],
        )

    run(work(), as_json=as_json)


def _row(entry: JournalEntry) -> tuple[object, ...]:
    amount = "-"
    if entry.amount is not None and entry.currency is not None:
        amount = money(entry.amount, entry.currency)
    return (
        entry.recorded_at[:19],
        entry.value_date,
        entry.id,
        entry.source or f"{len(entry.postings)} postings",
        entry.destination or "-",
        amount,
        entry.description or "",
    )
