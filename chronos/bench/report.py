"""What every report of a measurement begins with; without it a figure says nothing.

A report is one flat JSON object: the fields of `Report`, then the figures of its bench.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from chronos.assembly.measured_on import commit, machine_facts
from chronos.clock import Clock
from chronos.errors import ChronosError
from chronos.store.server_facts import server_facts
from chronos.wire.codec import format_instant


class BenchFault(ChronosError):
    """Says why a measurement is not one."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The head of every report; each bench adds its figures in a class below this one.

    Attributes:
        bench: The word after `chronos bench`.
        what: What was measured, in words.
        commit: Of the code, with a mark when files differ from it.
        started_at: When the measurement began, before anything was prepared.
        machine: Processors, memory, system, Python.
        load_average: What else the machine did when the measurement began (of one minute).
        postgresql: The settings that decide what a commit promises; empty when unknown.
        settings: Of the load and of the processes that were measured.
    """

    bench: str
    what: str
    commit: str
    started_at: str
    machine: dict[str, str | int]
    load_average: float
    postgresql: dict[str, str]
    settings: dict[str, Any]


class Start:
    """The moment at which a measurement begins; gives the head when it ends."""

    def __init__(self, clock: Clock) -> None:
        self._started_at = format_instant(clock.now())
        self._load_average = round(os.getloadavg()[0], 2)

    async def head(
        self, bench: str, what: str, *, settings: Mapping[str, Any], postgres_dsn: str
    ) -> dict[str, Any]:
        """Gives the fields of a `Report`, by name.

        Args:
            bench: The word after `chronos bench`.
            what: What was measured, in words.
            settings: Of the load and of the processes.
            postgres_dsn: Where PostgreSQL tells its settings; empty: nowhere.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        return {
            "bench": bench,
            "what": what,
            "commit": commit(),
            "started_at": self._started_at,
            "machine": machine_facts(),
            "load_average": self._load_average,
            "postgresql": await server_facts(postgres_dsn) if postgres_dsn else {},
            "settings": dict(settings),
        }


def write_report(report: Report, file: Path) -> None:
    """Writes a report as JSON for people and programs."""
    file.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


def kept_reports(files: Iterable[Path]) -> list[Mapping[str, Any]]:
    """Reads what is kept, in the order of the names; what is no object is no report.

    Args:
        files: JSON, in any order.
    """
    read = [json.loads(file.read_bytes()) for file in sorted(files)]
    return [one for one in read if isinstance(one, dict)]
