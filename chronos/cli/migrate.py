"""`chronos migrate up | status`: the schema of the database."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click

from chronos.cli.owner import data_option, owner_dsn


@click.group()
def command() -> None:
    """Bring the database to the schema of this version, or show how far it is.

    Works as the owner of the database: of the instance on --data, or CHRONOS_POSTGRES_DSN.
    """


@command.command()
@data_option
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def up(*, data: Path | None, as_json: bool) -> None:
    """Apply the migrations that the database lacks."""
    from chronos.store import migrate

    applied = asyncio.run(migrate.migrate(owner_dsn(data)))
    if as_json:
        print(json.dumps({"applied": [{"number": m.number, "name": m.name} for m in applied]}))
        return
    for migration in applied:
        print(f"applied {migration.number:04} {migration.name}")
    if not applied:
        print("nothing to apply: the schema is up to date")


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
