"""The heads of all accounts in one snapshot of the primary, read by SQL of our own.

Each read is one REPEATABLE READ READ ONLY transaction on a connection that no other read has;
at most `CONNECTIONS_MAX` at once, each bounded by `DEADLINE_S` from the first byte to the last.
A connection on which anything went wrong is cut, never asked for a polite end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType

import asyncpg
import msgspec

from chronos.chaos.history import Outcome
from chronos.chaos.load.answers import Answer

CONNECTIONS_MAX = 4
DEADLINE_S = 2.0
CLOSE_DEADLINE_S = 1.0

_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_HEADS = """
SELECT wanted.account_id, head.version, head.booked_after, head.held_after
FROM unnest($1::text[]) AS wanted (account_id)
CROSS JOIN LATERAL (
  SELECT events.version, events.booked_after, events.held_after
  FROM events
  WHERE events.account_id = wanted.account_id
  ORDER BY events.version DESC
  LIMIT 1
) AS head
"""
_POSITION = "SELECT coalesce(max(position), 0) FROM events"
# A plan made while the table was small would scan it later; each of these is a look-up.
_LOOKUPS = {"enable_seqscan": "off", "enable_bitmapscan": "off", "jit": "off"}


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The reply of a snapshot in the history: `[version, booked, held]` of each account."""

    position: int
    accounts: dict[str, tuple[int, int, int]]


class SnapshotReader:
    """Reads snapshots of some accounts; an asynchronous context manager."""

    def __init__(self, dsn: str, account_ids: Sequence[str]):
        self._dsn = dsn
        self._account_ids = list(account_ids)
        self._free: list[asyncpg.Connection] = []
        self._turns = asyncio.Semaphore(CONNECTIONS_MAX)

    async def __aenter__(self) -> SnapshotReader:
        """Connects to nothing yet."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes all connections."""
        while self._free:
            connection = self._free.pop()
            try:
                await connection.close(timeout=CLOSE_DEADLINE_S)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                connection.terminate()

    async def read(self) -> Answer:
        """Reads one snapshot; an outage, or a wait beyond the deadline, is an `info`."""
        try:
            async with asyncio.timeout(DEADLINE_S), self._turns:
                snapshot = await self._read()
        except TimeoutError:
            return Answer(outcome=Outcome.INFO, code="timeout")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            return Answer(outcome=Outcome.INFO, code=type(error).__name__)
        return Answer(outcome=Outcome.OK, reply=msgspec.json.encode(snapshot).decode())

    async def _read(self) -> Snapshot:
        connection = self._free.pop() if self._free else await self._connect()
        is_whole = False
        try:
            await connection.execute(_BEGIN)
            heads = await connection.fetch(_HEADS, self._account_ids)
            position = await connection.fetchval(_POSITION)
            await connection.execute("COMMIT")
            is_whole = True
        finally:
            if is_whole:
                self._free.append(connection)
            else:
                connection.terminate()
        accounts = {name: (version, booked, held) for name, version, booked, held in heads}
        return Snapshot(position=position, accounts=accounts)

    async def _connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(
            self._dsn,
            timeout=DEADLINE_S,
            command_timeout=DEADLINE_S,
            server_settings={"application_name": "chaos-snapshots", **_LOOKUPS},
        )
