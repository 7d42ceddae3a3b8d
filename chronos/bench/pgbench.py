"""pgbench's TPC-B on the same server, as the yardstick: five statements and a commit each."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

import msgspec

from chronos.bench.stack import WriteSide
from chronos.embedded.process import Command, run_to_end
from chronos.errors import EmbeddedFault

SCALE = 10
CLIENTS = 16
THREADS = 2
DATABASE = "pgbench"
_INIT_DEADLINE_S = 300.0
_MARGIN_S = 60.0
_TPS = re.compile(r"tps = ([0-9.]+) \(without initial connection time\)")
_LATENCY = re.compile(r"latency average = ([0-9.]+) ms")


class PgbenchResult(msgspec.Struct, frozen=True, kw_only=True):
    """What pgbench said."""

    per_second: float
    average_ms: float
    scale: int = SCALE
    clients: int = CLIENTS


class Pgbench:
    """Runs pgbench against the PostgreSQL of a write side."""

    def __init__(self, side: WriteSide) -> None:
        self._side = side
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

    async def _run(self, program: str, *words: str, deadline_s: float) -> str:
        side = self._side
        command = Command(
            argv=(str(side.programs / program), *words),
            environment={"PATH": side.machine.path, "LC_ALL": "C", **self._connection},
            folder=side.folder.path,
            log=side.folder.log / "pgbench.log",
        )
        return await run_to_end(command, purpose=program, deadline_s=deadline_s)
