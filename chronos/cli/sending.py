"""What commands that change something share: how they are sent, and what they say after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import click

from chronos.cli.show import money, plain, print_json
from chronos.client.receipts import Receipt

_F = TypeVar("_F", bound=Callable[..., Any])


def sending_options(function: _F) -> _F:
    """Adds `--idempotency-key` and `--dry-run` to a command; they arrive as client options."""
    key = click.option(
        "--idempotency-key",
        "--key",
        "key",
        help="Name of this attempt: a command sent again with it is done once.",
    )
    dry_run = click.option("--dry-run", is_flag=True, help="Decide and show, write nothing.")
    return key(dry_run(function))


def version_option(function: _F) -> _F:
    """Adds `--expected-version` to a command on one account."""
    return click.option(
        "--expected-version",
        type=click.IntRange(1),
        help="Refuse unless the account has this version.",
    )(function)


description_option = click.option("--description", help="At most 140 characters.")
metadata_option = click.option(
    "--metadata", multiple=True, metavar="KEY=VALUE", help="May be repeated."
)


def metadata_of(pairs: Iterable[str]) -> dict[str, str] | None:
    """Reads KEY=VALUE pairs; None when there are none.

    Raises:
        click.BadParameter: One is no pair, or a key is given twice.
    """
    metadata: dict[str, str] = {}
    for text in pairs:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{text!r} is not KEY=VALUE.")
        if key in metadata:
            raise click.BadParameter(f"{key} is given twice.")
        metadata[key] = value
    return metadata or None


def print_receipt(
    receipt: Receipt,
    sentence: str,
    *,
    currencies: Mapping[str, str],
    as_json: bool,
) -> None:
    """Prints what a command did, then each account as it left it.

    Args:
        receipt: What came back.
        sentence: What was done, without a full stop.
        currencies: The currency of each account.
        as_json: Print the receipt instead.
    """
    if as_json:
        print_json(plain(receipt))
        return
    # Nothing that is written stands at position 0.
    is_dry = receipt.position == 0
    again = " (replayed: it was done before with this key)" if receipt.replayed else ""
    print(f"{sentence}{again}{' (dry run: nothing was written)' if is_dry else ''}")
    for account_id, after in receipt.accounts.items():
        currency = currencies.get(account_id)
        available = after.available if currency is None else money(after.available, currency)
        print(f"  {account_id} version {after.version}: {available} available")
