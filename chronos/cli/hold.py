"""`chronos hold place | capture | void | show | list`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chronos.cli.instance import find_instance
from chronos.cli.sending import (
    description_option,
    metadata_of,
    metadata_option,
    print_receipt,
    sending_options,
)
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
from chronos.cli.times import DAY, INSTANT


@click.group(name="hold")
def command() -> None:
    """Reserve amounts, move them, let them go."""


@command.command()
@click.argument("account")
@click.argument("amount")
@click.argument("currency")
@click.option("--id", help="Name of the hold; the server names it otherwise.")
@click.option("--expires-at", type=INSTANT, help="When it ends by itself; never when omitted.")
@description_option
@metadata_option
@sending_options
@instance_options
def place(
    account: str,
    amount: str,
    currency: str,
    data: Path | None,
    *,
    as_json: bool,
    **options: Any,
) -> None:
    """Reserve AMOUNT of ACCOUNT: it is booked as before, and no longer available."""
    options["metadata"] = metadata_of(options["metadata"])
    minor = minor_units(amount, currency.upper())
    instance = find_instance(data)

    async def work() -> None:
        async with instance.client() as client:
            placed = await client.holds.place(
                account, amount=minor, currency=currency.upper(), **options
            )
        print_receipt(
            placed,
            f"{placed.id} holds {money(placed.amount, placed.currency)} of {placed.account}",
            currencies={placed.account: placed.currency},
            as_json=as_json,
        )

    run(work(), as_json=as_json)


@command.command()
@click.argument("hold", metavar="HOLD")
@click.argument("destination", metavar="TO")
@click.argument("amount", required=False)
@click.option("--transfer-id", help="Name of the movement of money.")
@click.option("--external-id", help="Its name in another system.")
@click.option("--value-date", type=DAY, help="Today when omitted.")
@description_option
@metadata_option
@sending_options
@instance_options
def capture(
    hold: str,
    destination: str,
    amount: str | None,
    data: Path | None,
    *,
    as_json: bool,
    **options: Any,
) -> None:
    """Move the held amount to TO, or less of it: then the rest is available again."""
    options["metadata"] = metadata_of(options["metadata"])
    instance = find_instance(data)

    async def work() -> None:
        async with instance.client() as client:
            if amount is not None:
                held = await client.holds.read(hold)
                options["amount"] = minor_units(amount, held.currency)
            ended = await client.holds.capture(hold, destination, **options)
        moved = money(ended.captured_amount or 0, ended.currency)
        print_receipt(
            ended,
            f"{ended.id} captured: {moved} moved to {ended.destination}",
            currencies=dict.fromkeys(ended.accounts, ended.currency),
            as_json=as_json,
        )

    run(work(), as_json=as_json)


@command.command()
@click.argument("hold", metavar="HOLD")
@description_option
@sending_options
@instance_options
def void(hold: str, data: Path | None, *, as_json: bool, **options: Any) -> None:
    """End a hold; nothing moves, all of it is available again."""
    instance = find_instance(data)

    async def work() -> None:
        async with instance.client() as client:
            ended = await client.holds.void(hold, **options)
        print_receipt(
            ended,
            f"{ended.id} voided: {money(ended.amount, ended.currency)} available again",
            currencies={ended.account: ended.currency},
            as_json=as_json,
        )

    run(work(), as_json=as_json)


@command.command()
@click.argument("hold", metavar="HOLD")
@instance_options
def show(hold: str, data: Path | None, *, as_json: bool) -> None:
    """Show a hold as the journal has it, open or ended."""
    instance = find_instance(data)

    async def work() -> None:
        async with instance.client() as client:
            found = await client.holds.read(hold)
        if as_json:
            print_json(plain(found))
            return
        captured = found.captured_amount
        print_fields(
            [
                ("hold", found.id),
                ("status", found.status),
                ("account", found.account),
                ("amount", money(found.amount, found.currency)),
                ("captured", None if captured is None else money(captured, found.currency)),
                ("to", found.destination),
                ("transfer", found.transfer_id),
                ("expires", found.expires_at),
                ("placed", found.placed_at),
                ("ended", found.ended_at),
                ("description", found.description),
            ]
        )

    run(work(), as_json=as_json)


@command.command(name="list")
@click.argument("account")
@click.option("--min-version", type=click.IntRange(1), help="Wait for this version.")
@instance_options
def list_(account: str, min_version: int | None, data: Path | None, *, as_json: bool) -> None:
    """List the open holds of ACCOUNT, from the read model."""
    instance = find_instance(data)

    async def work() -> None:
        async with instance.client() as client:
            found = await client.views.holds(account, min_version=min_version)
        if as_json:
            print_json(plain(found))
            return
        print_table(
            ("hold", "amount", "expires"),
            [
                (hold.id, money(hold.amount, found.currency), hold.expires_at or "never")
                for hold in found.data
            ],
        )
        print(f"{money(found.held, found.currency)} held at version {found.version}")

    run(work(), as_json=as_json)
