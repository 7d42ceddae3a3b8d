"""`chronos config show`: each setting with its value, unit, source, meaning and effect."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from chronos.cli.effects import EFFECTS
from chronos.cli.show import print_fields, print_json, print_table, run
from chronos.cli.trace_settings import trace_fault, trace_rows
from chronos.errors import SettingFault
from chronos.settings import (
    FILE_SUFFIX,
    FOREIGN_NAMES,
    PREFIX,
    Reading,
    Settings,
    Source,
    nearest_name,
    process_environment,
    read,
)

MASKED = "••••"
OTEL = "OTEL_"


@click.group(name="config")
def command() -> None:
    """Show every setting with its value."""


@command.command()
@click.argument("name", required=False)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Data folder of a running `chronos up`, as other commands take it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(*, name: str | None, data: Path | None, as_json: bool) -> None:
    """Show each setting, or the one called NAME, as a process started here would have it.

    With its unit, where its value comes from (default, environment, file or option), what it
    means and what it changes; at the end what Chronos obeys of OpenTelemetry's own variables.
    Secrets are masked. Exit code 78: a variable cannot be used; each
    of them is named, and no process of Chronos would start.
    """

    async def work() -> int:
        environment = process_environment()
        reading = _with_option(read(environment), data)
        rows = [*settings_table(reading), *_foreign_rows(environment)]
        rows += trace_rows(environment, masked)
        faults = [*reading.faults, *filter(None, [trace_fault(environment)])]
        if name is not None:
            rows = [_named(name, rows)]
        if as_json:
            print_json(rows[0] if name is not None else [*rows, *_unknown_rows(reading)])
        elif name is not None:
            print_fields(_fields(rows[0]))
        else:
            _print(rows)
        for fault in faults:
            click.echo(f"chronos: {fault}", err=True)
        return SettingFault.exit_code if faults else 0

    run(work(), as_json=as_json)


def settings_table(reading: Reading) -> list[dict[str, Any]]:
    """Gives each setting as a row; secrets that are set are masked."""
    faults = {fault.setting: str(fault) for fault in reading.faults}
    return [_row(reading, field, faults) for field in dataclasses.fields(Settings)]


def masked(value: str) -> str:
    """Hides what is secret of a value: of an address the password, of anything else all."""
    try:
        parts = urlsplit(value)
        password = parts.password
    except ValueError:
        return MASKED
    if not parts.scheme or not parts.netloc or parts.query or "@" in parts.path:
        return MASKED if value else ""
    if password is None:
        return value
    user, host = parts.username or "", parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{user}:{MASKED}@{host}").geturl()


def _with_option(reading: Reading, data: Path | None) -> Reading:
    if data is None:
        return reading
    return dataclasses.replace(
        reading,
        settings=dataclasses.replace(reading.settings, data_dir=data),
        sources={**reading.sources, "data_dir": Source.OPTION},
    )


def _row(
    reading: Reading, field: dataclasses.Field[Any], faults: Mapping[str, str]
) -> dict[str, Any]:
    variable = PREFIX + field.name.upper()
    value, facts = getattr(reading.settings, field.name), field.metadata
    row = {
        "variable": variable,
        "value": masked(value) if facts["secret"] else _plain(value),
        "unit": facts["unit"],
        "source": reading.sources.get(field.name, Source.DEFAULT).value,
        "default": _plain(field.default),
        "meaning": facts["text"],
        "changes": EFFECTS[field.name],
    }
    if facts["secret"]:
        row["file_variable"] = variable + FILE_SUFFIX
    if facts["choices"]:
        row["choices"] = [*facts["choices"]]
    row |= {key: facts[key] for key in ("low", "high") if facts[key] is not None}
    fault = faults.get(variable) or faults.get(variable + FILE_SUFFIX)
    return row | ({"fault": fault} if fault else {})


def _foreign_rows(environment: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "variable": variable,
            "value": environment.get(variable),
            "unit": "",
            "source": (Source.ENVIRONMENT if variable in environment else Source.DEFAULT).value,
            "default": None,
            "meaning": meaning,
            "changes": "what `chronos up` starts on this machine"
            if variable != "CHRONOS_ROLE"
            else "what `faust -A chronos.cli.worker:app worker` does",
        }
        for variable, meaning in FOREIGN_NAMES.items()
    ]


def _unknown_rows(reading: Reading) -> list[dict[str, Any]]:
    """Gives the variables that are no settings, without their values."""
    known = {PREFIX + field.name.upper() for field in dataclasses.fields(Settings)}
    known |= {variable + FILE_SUFFIX for variable in known}
    return [
        {
            "variable": fault.setting,
            "fault": str(fault),
            "nearest": nearest_name(fault.setting),
        }
        for fault in reading.faults
        if fault.setting not in known
    ]


def _named(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    wanted = name.upper().replace("-", "_")
    wanted = wanted if wanted.startswith((PREFIX, OTEL)) else PREFIX + wanted
    for row in rows:
        if wanted in (row["variable"], row.get("file_variable")):
            return row
    near = nearest_name(wanted)
    meant = f"; did you mean {near}?" if near else "; `chronos config show` lists them all"
    raise click.BadParameter(f"{wanted} is not a setting of Chronos{meant}", param_hint="NAME")


def _print(rows: list[dict[str, Any]]) -> None:
    print_table(
        ("setting", "value", "from", "meaning; what it changes"),
        [
            (r["variable"], _value(r), r["source"], f"{r['meaning']}; {r['changes']}")
            for r in rows
        ],
    )


def _fields(row: dict[str, Any]) -> list[tuple[str, object]]:
    default = row["default"] if row["default"] not in (None, "") else "-"
    low, high = row.get("low"), row.get("high")
    bounds = None if low is None else f"{low} to {high}" if high is not None else f"from {low}"
    return [
        ("setting", row["variable"]),
        ("value", _value(row)),
        ("from", row["source"]),
        ("default", f"{default} {row['unit']}".rstrip()),
        ("takes", " | ".join(row["choices"]) if "choices" in row else bounds),
        ("or a file named by", row.get("file_variable")),
        ("meaning", row["meaning"]),
        ("changes", row["changes"]),
    ]


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _value(row: dict[str, Any]) -> str:
    value = "-" if row["value"] in (None, "") else str(row["value"])
    return f"{value} {row['unit']}".rstrip()
