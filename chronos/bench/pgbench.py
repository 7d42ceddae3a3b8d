"""pgbench's TPC-B on the same server, as the yardstick: five statements and a commit each."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

from chronos.bench.stack import Side
from chronos.embedded.postgres import find_programs
from chronos.embedded.process import Command, run_to_end
from chronos.errors import EmbeddedFault

SCALE: Final = 10
CLIENTS: Final = 16
THREADS: Final = 2
DATABASE: Final = "chronos_pgbench"
_INIT_DEADLINE_S: Final = 300.0
_MARGIN_S: Final = 60.0
_TPS = re.compile(r"tps = ([0-9.]+) \(without initial connection time\)")
_LATENCY = re.compile(r"latency average = ([0-9.]+) ms")


class PgbenchResult(msgspec.Struct, frozen=True, kw_only=True):
    """What pgbench said."""

    per_second: float
    average_ms: float
    scale: int = SCALE
    clients: int = CLIENTS


class Pgbench:
    """Runs pgbench against the PostgreSQL of what is measured."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._programs = find_programs(side.machine)
        parts = urlsplit(side.postgres_dsn)
        self._connection = {
            "PGHOST": parts.hostname or "",
            "PGPORT": str(parts.port or 5432),
            "PGUSER": unquote(parts.username or ""),
            "PGPASSWORD": unquote(parts.password or ""),
        }

    async def prepare(self) -> None:
        """Makes its database and fills it.

        Raises:
            EmbeddedFault: pgbench is not there, or failed.
        """
        await self.drop()
        await self._run("createdb", DATABASE, deadline_s=_INIT_DEADLINE_S)
        await self._run(
            "pgbench", "-i", "-q", "-s", str(SCALE), DATABASE, deadline_s=_INIT_DEADLINE_S
        )

    async def measure(self, seconds: float) -> PgbenchResult:
        """Runs TPC-B for whole seconds.

        Raises:
            EmbeddedFault: pgbench failed, or said something else than its figures.
        """
        words = ["-c", str(CLIENTS), "-j", str(THREADS), "-T", str(max(1, round(seconds)))]
        said = await self._run("pgbench", *words, DATABASE, deadline_s=seconds + _MARGIN_S)
        tps, latency = _TPS.search(said), _LATENCY.search(said)
        if tps is None or latency is None:
            raise EmbeddedFault(f"pgbench said no figures: {said[-300:]}")
        return PgbenchResult(per_second=float(tps[1]), average_ms=float(latency[1]))

    async def drop(self) -> None:
        """Removes its database.

        Raises:
            EmbeddedFault: Somebody still uses it.
        """
        await self._run("dropdb", "--if-exists", DATABASE, deadline_s=_INIT_DEADLINE_S)

    async def _run(self, program: str, *words: str, deadline_s: float) -> str:
        side = self._side
        command = Command(
            argv=(str(self._programs / program), *words),
            environment={"PATH": side.machine.path, "LC_ALL": "C", **self._connection},
            folder=side.log,
            log=side.log / "pgbench.log",
        )
        return await run_to_end(command, purpose=program, deadline_s=deadline_s)


@asynccontextmanager
async def pgbench_beside(side: Side) -> AsyncIterator[Pgbench]:
    """Gives pgbench with a filled database, which is dropped again at the end.

    Raises:
        EmbeddedFault: pgbench is not there, or failed.
    """
    yard = Pgbench(side)
    await yard.prepare()
    try:
        yield yard
    finally:
        await yard.drop()
