"""`chronos freeze | unfreeze | close | limit | annotate`: verbs on one account."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click

from chronos.cli.instance import find_instance
from chronos.cli.sending import (
    description_option,
    metadata_of,
    print_receipt,
    sending_options,
    version_option,
)
from chronos.cli.show import instance_options, minor_units, money, run
from chronos.client.ledger_client import LedgerClient
from chronos.client.receipts import Changed

NO_AMOUNT = "default"


@click.command()
@click.argument("account")
@click.option(
    "--scope",
    type=click.Choice(["debits", "all"]),
    help="debits: it may not pay; all: it may not be paid either.  [default: all]",
)
@description_option
@version_option
@sending_options
@instance_options
def freeze(account: str, data: Path | None, *, as_json: bool, **options: Any) -> None:
    """Forbid an account to pay, or also to be paid."""
    _change(
        data,
        lambda client: client.accounts.freeze(account, **options),
        lambda after: f"{after.id} is {after.status.replace('_', ' for ')}",
        as_json=as_json,
    )


@click.command()
@click.argument("account")
@description_option
@version_option
@sending_options
@instance_options
def unfreeze(account: str, data: Path | None, *, as_json: bool, **options: Any) -> None:
    """Let a frozen account pay and be paid again."""
    _change(
        data,
        lambda client: client.accounts.unfreeze(account, **options),
        lambda after: f"{after.id} is {after.status}",
        as_json=as_json,
    )


@click.command()
@click.argument("account")
@description_option
@version_option
@sending_options
@instance_options
def close(account: str, data: Path | None, *, as_json: bool, **options: Any) -> None:
    """Close an empty account without open holds, for good."""
    _change(
        data,
        lambda client: client.accounts.close(account, **options),
        lambda after: f"{after.id} is {after.status}",
        as_json=as_json,
    )


@click.command()
@click.argument("account")
@click.argument("amount", metavar="AMOUNT|default")
@description_option
@version_option
@sending_options
@instance_options
def limit(
    account: str, amount: str, data: Path | None, *, as_json: bool, **options: Any
) -> None:
    """Set how far below zero an account may go: a decimal, or `default` for its kind's."""

    async def change(client: LedgerClient) -> Changed:
        minor = None
        if amount != NO_AMOUNT:
            minor = minor_units(amount, (await client.accounts.read(account)).currency)
        return await client.accounts.set_overdraft_limit(account, minor, **options)

    _change(data, change, _limit_sentence, as_json=as_json)


@click.command()
@click.argument("account")
@click.argument("metadata", metavar="KEY=VALUE...", nargs=-1)
@click.option("--merge", is_flag=True, help="Keep the other keys that the account has.")
@click.option("--clear", is_flag=True, help="Leave no metadata.")
@description_option
@version_option
@sending_options
@instance_options
def annotate(
    account: str,
    metadata: tuple[str, ...],
    data: Path | None,
    *,
    merge: bool,
    clear: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Replace the metadata of an account: all of it, unless --merge is given.

    With --merge the account is read first, and the command is refused if it has changed since.
    """
    given = metadata_of(metadata) or {}
    if clear == bool(given):
        raise click.UsageError("Give KEY=VALUE pairs, or --clear and none.")

    async def change(client: LedgerClient) -> Changed:
        if not merge:
            return await client.accounts.annotate(account, given, **options)
        before = await client.accounts.read(account)
        options["expected_version"] = options["expected_version"] or before.version
        return await client.accounts.annotate(account, before.metadata | given, **options)

    _change(data, change, _metadata_sentence, as_json=as_json)


def _change(
    data: Path | None,
    change: Callable[[LedgerClient], Awaitable[Changed]],
    sentence: Callable[[Changed], str],
    *,
    as_json: bool,
) -> None:
    instance = find_instance(data)

    async def work() -> None:
        async with instance.client() as client:
            after = await change(client)
        currencies = {after.id: after.currency}
        print_receipt(after, sentence(after), currencies=currencies, as_json=as_json)

    run(work(), as_json=as_json)


def _limit_sentence(after: Changed) -> str:
    if after.overdraft_limit is None:
        return f"{after.id} may go below zero without bound"
    return f"{after.id} may go {money(after.overdraft_limit, after.currency)} below zero"


def _metadata_sentence(after: Changed) -> str:
    pairs = " ".join(f"{key}={value}" for key, value in sorted((after.metadata or {}).items()))
    return f"{after.id} has {pairs or 'no metadata'}"
