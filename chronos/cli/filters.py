"""The options by which lists of movements of money are narrowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from chronos.cli.sending import metadata_of
from chronos.cli.show import minor_units
from chronos.cli.times import BOUND, DAY

_F = TypeVar("_F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--from", "since", type=BOUND, help="First day or instant recorded."),
    click.option("--to", "until", type=BOUND, help="Last day, or first instant after it."),
    click.option("--value-from", type=DAY, help="First value date."),
    click.option("--value-to", type=DAY, help="Last value date."),
    click.option("--min-amount", help="Least amount, a decimal of the currency."),
    click.option("--max-amount", help="Greatest amount, a decimal of the currency."),
    click.option("--counterparty", help="The account on the other side."),
    click.option("--external-id", help="Its name in another system."),
    click.option("--metadata", multiple=True, metavar="KEY=VALUE", help="May be repeated."),
    click.option("--query", "q", help="Words in descriptions, ids and metadata."),
)


def money_filters(function: _F) -> _F:
    """Adds them to a command; `narrowed` reads what arrives."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def narrowed(options: dict[str, Any], currency: str | None) -> dict[str, Any]:
    """Gives the filters as the client takes them.

    Args:
        options: What was typed.
        currency: Of the amounts.

    Raises:
        click.UsageError: An amount is given, and nothing says in which currency.
    """
    filters = {**options, "metadata": metadata_of(options["metadata"])}
    for name in ("min_amount", "max_amount"):
        if (text := options[name]) is None:
            continue
        if currency is None:
            raise click.UsageError("An amount needs --currency, to know its decimals.")
        filters[name] = minor_units(text, currency)
    return filters
