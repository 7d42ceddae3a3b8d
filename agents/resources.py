"""What agents and views of one worker need from outside, opened and closed with its app.

Nothing connects when it is made or opened: each part connects when it is first used, so that a
worker starts with Kafka alone. A part that is away makes those who use it wait (agents) or say
so (views), and works again when it is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import structlog

from chronos.clock import Clock
from chronos.errors import Unavailable, UnsafeSetting
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.lag import KafkaLag
from chronos.mirror.redis import RedisMirror
from chronos.settings import Settings
from chronos.store.api_keys import ApiKeyTable, StoredKey
from chronos.store.cluster_identity import Identity, check_all
from chronos.store.pipeline_state import PipelineState, read_pipeline_state
from chronos.store.pool import LOOKUPS_ONLY, Pool
from chronos.store.reads import Reads, StoredEvent
from chronos.wire.topics import Names

CONNECTIONS_MAX = 4
HISTORY_LOOK_S = 5.0
"""How often a worker asks whether the database is still the one that Kafka was fed from."""
HISTORY_START_S = 3.0
"""How long its start waits for the answer; PostgreSQL may be away."""

log = structlog.get_logger("agents.resources")


class JournalReader:
    """Reads events, API keys and the outbox's state from PostgreSQL through one small pool.

    Args:
        settings: The address, the shards of the outbox, the zone of the booking day.
        role: The worker's role, by which PostgreSQL's own views show its connections.
    """

    def __init__(self, settings: Settings, role: str):
        self._settings = settings
        self._role = role
        self._pool: Pool | None = None

    async def open(self) -> None:
        """Makes the pool; PostgreSQL need not answer yet."""
        self._pool = await Pool.open(
            self._settings.postgres_dsn,
            application_name=f"chronos-{self._role}-{self._settings.slot}",
            connections_max=CONNECTIONS_MAX,
            label="journal",
            server_settings=LOOKUPS_ONLY,
        )

    async def close(self) -> None:
        """Closes the connections."""
        if self._pool is not None:
            await self._pool.close()

    async def events_of(self, account_id: str, after_version: int) -> Sequence[StoredEvent]:
        """Reads an account's next events in order, a page of them; none after the last.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        return await self._reads().events_of(account_id, after_version)

    async def event_at(self, account_id: str, version: int) -> StoredEvent | None:
        """Reads one event, or None where there is none.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        return await self._reads().event_at(account_id, version)

    async def find(self, key_id: str) -> StoredKey | None:
        """Reads one API key, revoked or not; None where there is none.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        return await ApiKeyTable(self._opened()).find(key_id)

    async def check_history(self) -> Identity | None:
        """Proves that the database is the one that Kafka was fed from, and names it.

        Raises:
            UnsafeSetting: It was restored, or it is another one.
            Unavailable: PostgreSQL does not answer.
        """
        return await check_all(self._opened())

    async def pipeline_state(self) -> PipelineState:
        """Reads where journal and outbox stand.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        return await read_pipeline_state(self._opened(), self._settings.relay_shards)

    def _reads(self) -> Reads:
        return Reads(self._opened(), ZoneInfo(self._settings.time_zone))

    def _opened(self) -> Pool:
        if self._pool is None:
            raise Unavailable("postgresql", "this worker is starting or stopping")
        return self._pool


class Resources:
    """Holds the connections of one worker; made before its app runs, opened by it.

    Args:
        settings: Addresses.
        role: The worker's role.
        clock: Tells ages and ends waits.
    """

    def __init__(self, settings: Settings, role: str, clock: Clock):
        names = Names(settings.namespace)
        self.journal = JournalReader(settings, role)
        self.redis = RedisMirror(settings.redis_url, names)
        self.search = ElasticsearchMirror(settings.elasticsearch_url, names)
        self.lag = KafkaLag(settings.kafka, clock)

    async def open(self) -> None:
        """Makes what cannot be made without a running loop."""
        await self.journal.open()

    async def close(self) -> None:
        """Closes everything; one part that fails to close does not keep the others."""
        parts = (self.lag, self.search, self.redis, self.journal)
        answers = await asyncio.gather(
            *(part.close() for part in parts), return_exceptions=True
        )
        for part, answer in zip(parts, answers, strict=True):
            if isinstance(answer, Exception):
                log.warning("close_failed", part=type(part).__name__, reason=repr(answer))


class HistoryWatch:
    """Ends a worker whose database was restored behind what the worker was fed with.

    What it shows would be money that the database does not have, and the database will use the
    same versions again for other events. A database that does not answer proves nothing: the
    worker goes on and asks again.

    Args:
        journal: Asks the database.
        end: Ends the process for the reason it is given.
        tables: Folder with the tables that this worker keeps on its own disk, if it does. They
            are marked with the database that they are of: a rebuild on another machine does
            not reach them.
    """

    def __init__(
        self,
        journal: JournalReader,
        *,
        end: Callable[[UnsafeSetting], Awaitable[None]],
        tables: Path | None = None,
    ):
        self._journal = journal
        self._end = end
        self._mark = None if tables is None else tables / "journal.json"
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Asks once, then begins to ask now and then.

        Raises:
            UnsafeSetting: The database was restored, or it is another one; or the tables are of
                the one that it was before.
        """
        try:
            async with asyncio.timeout(HISTORY_START_S):
                identity = await self._journal.check_history()
        except (Unavailable, TimeoutError) as fault:
            log.warning("history_unknown", reason=str(fault))
        else:
            if identity is not None and self._mark is not None:
                await asyncio.to_thread(_compare_or_mark, self._mark, identity)
        self._task = asyncio.create_task(self._watch(), name="history-watch")

    async def close(self) -> None:
        """Ends the asking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(HISTORY_LOOK_S)
            try:
                await self._journal.check_history()
            except Unavailable:
                continue
            except UnsafeSetting as fault:
                await self._end(fault)
                return


def _compare_or_mark(mark: Path, identity: Identity) -> None:
    own = msgspec.json.encode(identity)
    if not mark.exists():
        half = mark.with_suffix(".half")
        half.write_bytes(own)
        half.replace(mark)
    elif mark.read_bytes() != own:
        raise UnsafeSetting(
            "state_dir",
            f"the tables in {mark.parent} are of the database before it was restored: run "
            "`chronos rebuild table` on this machine before its first worker starts",
        )
