"""`chronos migrate up | status`: the schema of the database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import click

from chronos.cli.owner import data_folder, data_option, owner_dsn
from chronos.embedded.addresses import read_addresses
from chronos.errors import SettingFault
from chronos.settings import Settings, read_secret

if TYPE_CHECKING:
    from chronos.store.outbox_layout import Layout


@click.group()
def command() -> None:
    """Bring the database to the schema of this version, or show how far it is.

    Works as the owner of the database: of the instance on --data, or CHRONOS_POSTGRES_DSN.
    """


@command.command()
@data_option
@click.option(
    "--sign-in",
    "sign_ins",
    multiple=True,
    metavar="FILE",
    help="File with the address by which a process signs in, as its CHRONOS_POSTGRES_DSN_FILE "
    "names it: the role in it gets the password in it. Once for each role.",
)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def up(*, data: Path | None, sign_ins: tuple[str, ...], as_json: bool) -> None:
    """Apply the migrations that the database lacks, and set passwords of its roles.

    Fixes on a new database into how many CHRONOS_PARTITIONS and CHRONOS_RELAY_SHARDS the outbox
    is dealt out; other counts than before are refused.
    """
    from chronos.store import migrate, outbox_layout, roles

    passwords = _passwords(sign_ins)
    applied = asyncio.run(migrate.migrate(owner_dsn(data)))
    asyncio.run(outbox_layout.agree_on(owner_dsn(data), _layout(data), topics_agree=False))
    if passwords:
        asyncio.run(roles.set_passwords(owner_dsn(data), passwords))
    if as_json:
        made = [{"number": m.number, "name": m.name} for m in applied]
        print(json.dumps({"applied": made, "sign_ins": [*passwords]}))
        return
    for migration in applied:
        print(f"applied {migration.number:04} {migration.name}")
    if not applied:
        print("nothing to apply: the schema is up to date")
    for role in passwords:
        print(f"{role} signs in by its address from now on")


@command.command()
@data_option
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def status(*, data: Path | None, as_json: bool) -> None:
    """List all migrations and when each was applied."""
    from chronos.store import migrate

    states = asyncio.run(migrate.status(owner_dsn(data)))
    if as_json:
        rows = [
            {
                "number": state.number,
                "name": state.name,
                "applied_at": state.applied_at.isoformat() if state.applied_at else None,
            }
            for state in states
        ]
        print(json.dumps({"migrations": rows}))
        return
    for state in states:
        at = state.applied_at.isoformat(timespec="seconds") if state.applied_at else "not yet"
        print(f"{state.number:04}  {state.name:<16} {at}")


def _layout(data: Path | None) -> Layout:
    """Gives the counts of the instance that is meant, else those of the settings."""
    from chronos.store.outbox_layout import Layout

    settings = Settings.from_environment()
    if data is None and settings.postgres_dsn:
        return Layout.of(settings)
    addresses = read_addresses(data_folder(data).addresses)
    return Layout(
        partitions=addresses.partitions,
        shards=addresses.relay_shards or settings.relay_shards,
    )


def _passwords(files: Iterable[str]) -> dict[str, str]:
    """Reads the password of each role; refuses before anything is changed."""
    from chronos.store import roles

    found: dict[str, str] = {}
    for file in files:
        try:
            parts = urlsplit(read_secret("--sign-in", file))
        except ValueError as error:
            raise SettingFault("--sign-in", f"{file} holds no address") from error
        role, password = unquote(parts.username or ""), unquote(parts.password or "")
        if role not in roles.LOGIN_ROLES or not password:
            raise SettingFault(
                "--sign-in",
                f"{file} does not hold postgresql://ROLE:PASSWORD@HOST:PORT/DATABASE, with one "
                f"of {', '.join(roles.LOGIN_ROLES)} and its password",
            )
        if role in found:
            raise SettingFault("--sign-in", f"{file} names {role}, and so does another file")
        found[role] = password
    return found
