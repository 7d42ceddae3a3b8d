"""`chronos config show`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from chronos.cli.show import print_json, print_table, run
from chronos.settings import PREFIX, Settings, process_environment

MASKED = "••••"


@click.group(name="config")
def command() -> None:
    """Show every setting with its value."""


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(*, as_json: bool) -> None:
    """Show each setting, its value and unit, where it comes from, and what it means."""

    async def work() -> None:
        rows = settings_table(Settings.from_environment(), frozenset(process_environment()))
        if as_json:
            print_json(rows)
            return
        print_table(
            ("setting", "value", "from", "meaning"),
            [(r["variable"], _value(r), r["source"], r["meaning"]) for r in rows],
        )

    run(work(), as_json=as_json)


def settings_table(settings: Settings, set_names: frozenset[str]) -> list[dict[str, Any]]:
    """Gives each setting as a row; secrets that are set are masked."""
    return [_row(settings, field, set_names) for field in dataclasses.fields(settings)]


def _row(
    settings: Settings, field: dataclasses.Field[Any], set_names: frozenset[str]
) -> dict[str, Any]:
    variable = PREFIX + field.name.upper()
    value = getattr(settings, field.name)
    if field.metadata["secret"] and value:
        value = MASKED
    return {
        "variable": variable,
        "value": str(value) if isinstance(value, Path) else value,
        "unit": field.metadata["unit"],
        "source": "environment" if variable in set_names else "default",
        "meaning": field.metadata["text"],
    }


def _value(row: dict[str, Any]) -> str:
    value = "-" if row["value"] in (None, "") else str(row["value"])
    return f"{value} {row['unit']}".rstrip()
