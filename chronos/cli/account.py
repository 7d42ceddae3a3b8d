"""`chronos account open | show | list`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chronos.cli.instance import find_instance
from chronos.cli.show import (
    instance_options,
    minor_units,
    money,
    plain,
    print_fields,
    print_json,
    print_table,
    run,
)
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
@click.option("--metadata", multiple=True, metavar="KEY=VALUE", help="May be repeated.")
@click.option("--key", help="Idempotency key; repeat a command with the same one.")
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
    if code and options["currency"]:
        raise click.UsageError("Give the currency once: as CURRENCY or with --currency.")
    currency = (code or options["currency"] or "EUR").upper()
    details = _details(currency, options)
    instance = find_instance(data)

    async def work() -> None:
        async with instance.client() as client:
            opened = await client.accounts.open(
                account_id,
                currency=currency,
                kind=options["kind"],
                key=options["key"],
                **details,
            )
        if as_json:
            print_json(plain(opened))
            return
        again = " (replayed: it was opened before with this key)" if opened.replayed else ""
        print(f"{opened.id} is open, {opened.kind}, {opened.currency}{again}")

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
                ("opened", account.opened_at),
            ]
        )

    run(work(), as_json=as_json)


@command.command(name="list")
@click.option("--kind", help="Only this kind.")
@click.option("--status", help="open, frozen_debits, frozen_all or closed.")
@click.option("--currency", help="Only this currency.")
@click.option("--query", "q", help="Words in ids, external ids and metadata.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@instance_options
def list_(limit: int, data: Path | None, *, as_json: bool, **filters: Any) -> None:
    """List accounts from the search index, by id."""
    given = {name: value for name, value in filters.items() if value is not None}
    instance = find_instance(data)

    async def work() -> None:
        found: list[FoundAccount] = []
        async with instance.client() as client:
            listing = client.views.accounts(**given, limit=min(200, limit))
            async for account in listing:
                found.append(account)
                if len(found) == limit:
                    break
        if as_json:
            print_json(plain(found))
            return
        print_table(
            ("account", "kind", "status", "booked", "available", "version"), map(_row, found)
        )

    run(work(), as_json=as_json)


def _details(currency: str, options: dict[str, Any]) -> dict[str, Any]:
    details: dict[str, Any] = {"external_id": options["external_id"]}
    if options["overdraft_limit"] is not None:
        details["overdraft_limit"] = minor_units(options["overdraft_limit"], currency)
    if options["metadata"]:
        details["metadata"] = dict(_pair(text) for text in options["metadata"])
    return details


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise click.BadParameter(f"{text!r} is not KEY=VALUE")
    return key, value


def _row(account: FoundAccount) -> tuple[object, ...]:
    return (
        account.id,
        account.kind,
        account.status,
        money(account.booked, account.currency),
        money(account.available, account.currency),
        account.version,
    )
