"""`chronos account open | show | list`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chronos.cli.instance import find_instance
from chronos.cli.sending import metadata_of, metadata_option, print_receipt, sending_options
from chronos.cli.show import (
    PAGE_ROWS_MAX,
    first,
    instance_options,
    minor_units,
    money,
    plain,
    print_fields,
    print_json,
    print_table,
    rows_option,
    run,
)
from chronos.cli.times import DAY
from chronos.client.answers import FoundAccount


@click.group(name="account")
def command() -> None:
    """Open, show and list accounts."""


@command.command(name="open")
@click.argument("account_id", metavar="[ID]", required=False)
@click.argument("code", metavar="[CURRENCY]", required=False)
@click.option("--currency", help="ISO 4217 code; the same as CURRENCY.  [default: EUR]")
@click.option("--kind", help="customer (default), settlement, suspense, income, expense …")
@click.option("--overdraft-limit", help="Decimal amount below zero that is allowed.")
@click.option("--external-id", help="The account's name in another system.")
@click.option("--opened-on", type=DAY, help="The day it counts as opened; today when omitted.")
@metadata_option
@sending_options
@instance_options
def open_(
    account_id: str | None,
    code: str | None,
    data: Path | None,
    *,
    as_json: bool,
    **options: Any,
) -> None:
    """Open an account; without ID the server names it."""
    given = options.pop("currency")
    if code and given:
        raise click.UsageError("Give the currency once: as CURRENCY or with --currency.")
    currency = (code or given or "EUR").upper()
    options["metadata"] = metadata_of(options["metadata"])
    if (limit := options["overdraft_limit"]) is not None:
        options["overdraft_limit"] = minor_units(limit, currency)
    instance = find_instance(data)

    async def work() -> None:
        async with instance.client() as client:
            opened = await client.accounts.open(account_id, currency=currency, **options)
        print_receipt(
            opened,
            f"{opened.id} is open, {opened.kind}, {opened.currency}",
            currencies={opened.id: opened.currency},
            as_json=as_json,
        )

    run(work(), as_json=as_json)


@command.command()
@click.argument("account_id", metavar="ID")
@instance_options
def show(account_id: str, data: Path | None, *, as_json: bool) -> None:
    """Show an account as the journal has it."""
    instance = find_instance(data)

    async def work() -> None:
        async with instance.client() as client:
            account = await client.accounts.read(account_id)
        if as_json:
            print_json(plain(account))
            return
        limit = account.overdraft_limit
        pairs = " ".join(f"{key}={value}" for key, value in sorted(account.metadata.items()))
        print_fields(
            [
                ("account", account.id),
                ("kind", account.kind),
                ("status", account.status),
                ("booked", money(account.booked, account.currency)),
                ("held", money(account.held, account.currency)),
                ("available", money(account.available, account.currency)),
                ("overdraft", "no bound" if limit is None else money(limit, account.currency)),
                ("version", account.version),
                ("external id", account.external_id),
                ("metadata", pairs or None),
                ("opened", account.opened_at),
                ("opened on", account.opened_on),
            ]
        )

    run(work(), as_json=as_json)


@command.command(name="list")
@click.option("--kind", help="Only this kind.")
@click.option("--status", help="open, frozen_debits, frozen_all or closed.")
@click.option("--currency", help="Only this currency.")
@click.option("--external-id", help="Only the one with this name in another system.")
@click.option("--metadata", multiple=True, metavar="KEY=VALUE", help="May be repeated.")
@click.option("--query", "q", help="Words in ids, external ids and metadata.")
@rows_option
@instance_options
def list_(limit: int, data: Path | None, *, as_json: bool, **filters: Any) -> None:
    """List accounts from the search index, by id."""
    filters["metadata"] = metadata_of(filters["metadata"])
    instance = find_instance(data)

    async def work() -> None:
        async with instance.client() as client:
            listing = client.views.accounts(**filters, limit=min(PAGE_ROWS_MAX, limit))
            found = await first(listing, limit)
        if as_json:
            print_json(plain(found))
            return
        print_table(
            ("account", "kind", "status", "booked", "available", "version"), map(_row, found)
        )

    run(work(), as_json=as_json)


def _row(account: FoundAccount) -> tuple[object, ...]:
    return (
        account.id,
        account.kind,
        account.status,
        money(account.booked, account.currency),
        money(account.available, account.currency),
        account.version,
    )
