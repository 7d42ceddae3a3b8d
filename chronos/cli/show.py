"""How commands print: tables for people, JSON for programs, one sentence when refused."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from chronos.client.pages import Listing
from chronos.client.refusals import Refused
from chronos.domain.currency import EXPONENTS, format_amount, parse_amount

PAGE_ROWS_MAX = 200

_F = TypeVar("_F", bound=Callable[..., Any])
_T = TypeVar("_T")


def instance_options(function: _F) -> _F:
    """Adds `--data DIR` and `--json` to a command."""
    data = click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        help="Data folder of a running `chronos up`.",
    )
    as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    return data(as_json(function))


def metrics_option(function: _F) -> _F:
    """Adds `--metrics URL`, for processes that no data folder and no setting names."""
    return click.option(
        "--metrics",
        multiple=True,
        metavar="URL",
        help="The metrics of a process to look at, once for each; instead of those known.",
    )(function)


def rows_option(function: _F) -> _F:
    """Adds `--limit`, the most rows of a list."""
    return click.option(
        "--limit",
        default=50,
        show_default=True,
        type=click.IntRange(1, 10_000),
        help="Most rows.",
    )(function)


def run(work: Coroutine[Any, Any, int | None], *, as_json: bool = False) -> None:
    """Runs a command's work; a refusal ends it with one sentence, or its document, and 1.

    Faults pass on to `main`, which prints them and exits with their code.
    """
    try:
        code = asyncio.run(work)
    except Refused as refusal:
        if as_json:
            print_json(msgspec.to_builtins(refusal.problem))
        print(f"chronos: {refusal}", file=sys.stderr)
        code = refusal.exit_code
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        # Who reads has read enough; what is left in the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    if code:
        sys.exit(code)


def print_json(value: Any) -> None:
    """Prints a value as JSON, one document; what a terminal would obey is escaped."""
    for line in json.dumps(value, indent=2, ensure_ascii=False, default=str).split("\n"):
        print(line if line.isprintable() else printable(line))


def money(amount: int, currency: str) -> str:
    """Writes minor units for a person: `1,234.50 EUR`."""
    if currency not in EXPONENTS:
        return f"{amount} {currency}"
    whole, _, fraction = format_amount(abs(amount), currency).partition(".")
    sign = "-" if amount < 0 else ""
    return f"{sign}{int(whole):,}{'.' + fraction if fraction else ''} {currency}"


def minor_units(text: str, currency: str) -> int:
    """Reads a decimal amount of a person as minor units, exactly.

    Raises:
        click.BadParameter: It is no such amount, or has too many digits for the currency.
    """
    try:
        return parse_amount(text, currency)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def plain(value: Any) -> Any:
    """Gives an answer of the client as plain values, for JSON."""
    return msgspec.to_builtins(value)


async def first(listing: Listing[Any, _T], most: int) -> list[_T]:
    """Gives the first rows of a list, at most so many."""
    found: list[_T] = []
    async for row in listing:
        found.append(row)
        if len(found) == most:
            break
    return found


def printable(text: str) -> str:
    """Writes what a terminal would obey, or nobody could see, as JSON's escapes."""
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)


def printable_bytes(raw: bytes) -> str:
    """Writes foreign bytes for a person: as text where they are text."""
    return printable(raw.decode("utf-8", "backslashreplace"))


def print_fields(pairs: Iterable[tuple[str, object]]) -> None:
    """Prints names and values in two columns."""
    rows = [(name, str(value)) for name, value in pairs if value is not None]
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        print(f"{name.ljust(width)}  {value}")


def print_table(header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    """Prints columns, numbers to the right; as wide as needed and no wider."""
    cells = [tuple(str(cell) for cell in row) for row in rows]
    widths = [max(len(row[i]) for row in [header, *cells]) for i in range(len(header))]
    right = [
        all(_is_number(row[i]) for row in cells) and bool(cells) for i in range(len(header))
    ]
    for row in [header, *cells]:
        padded = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        print("  ".join(padded).rstrip())


def _is_number(text: str) -> bool:
    return text[:1].isdigit() or text[:1] == "-"
