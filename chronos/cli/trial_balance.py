"""`chronos trial-balance [--at]`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from chronos.cli.instance import find_instance
from chronos.cli.show import instance_options, money, plain, print_json, print_table, run
from chronos.cli.times import INSTANT
from chronos.client.answers import TrialBalance


@click.command(name="trial-balance")
@click.option("--at", type=INSTANT, help="As recorded by this moment; now when omitted.")
@instance_options
def command(at: datetime | None, data: Path | None, *, as_json: bool) -> None:
    """Add up the books by currency and kind of account; exit 1 when they do not balance."""
    instance = find_instance(data)

    async def work() -> int:
        async with instance.client() as client:
            books = await client.books.trial_balance(at=at)
        if as_json:
            print_json(plain(books))
        else:
            _print(books)
        return 0 if books.balanced else 1

    run(work(), as_json=as_json)


def _print(books: TrialBalance) -> None:
    print_table(
        ("class", "kind", "accounts", "debit", "credit"),
        [
            (
                line.account_class,
                line.kind,
                line.accounts,
                money(line.debit, line.currency),
                money(line.credit, line.currency),
            )
            for line in books.lines
        ],
    )
    for currency, total in sorted(books.totals.items()):
        print(f"total {money(total, currency)}")
    state = "balanced" if books.balanced else "NOT balanced: run `chronos verify`"
    not_yet = "" if books.final else "; not final yet"
    print(f"at {books.at}: {state}{not_yet}")
