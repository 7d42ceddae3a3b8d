"""A bank's worth of outbox rows, relays as child processes, and what Kafka then holds."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import asyncpg
import msgspec

from chronos.settings import Settings
from chronos.stream.topic_reader import open_topic
from chronos.wire.headers import encode_headers
from chronos.wire.topics import Names, partition_of, shard_of
from tests import waiting

ROOT = Path(__file__).resolve().parents[3]
CHRONOS = (sys.executable, "-c", "from chronos.cli.main import main; main()", "worker", "relay")
FAUST = (sys.executable, "-m", "faust", "-A", "chronos.cli.worker:app", "worker")
READY_S = 60.0
FOLLOW_S = 60.0
COLUMNS = ("position", "shard", "partition", "topic", "key", "headers", "value")


async def until(
    condition: Callable[[], Awaitable[Any]], what: str, within_s: float = FOLLOW_S
) -> Any:
    """Waits until `condition` gives something true."""
    return await waiting.until(condition, lambda: what, within_s=within_s)


class Written(NamedTuple):
    """One committed event."""

    account: str
    version: int


@dataclass
class Outbox:
    """Writes outbox rows as commands do: under the account's lock, positions drawn inside."""

    dsn: str
    namespace: str
    partitions: int = 8
    shards: int = 2
    versions: Counter[str] = field(default_factory=Counter)
    committed: list[Written] = field(default_factory=list)

    async def connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(self.dsn, timeout=10)

    async def lock(self, connection: asyncpg.Connection, accounts: Sequence[str]) -> None:
        """Takes the accounts' locks in order, inside the open transaction."""
        for account in sorted(set(accounts)):
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))", account
            )

    async def add(
        self, connection: asyncpg.Connection, accounts: Sequence[str]
    ) -> list[Written]:
        """Writes one event per account inside the open transaction; the locks are held."""
        table = f"outbox_{await connection.fetchval('SELECT which FROM outbox_current')}"
        written, rows = [], []
        for account, position in zip(
            accounts, await self._positions(connection, len(accounts)), strict=True
        ):
            self.versions[account] += 1
            written.append(Written(account, self.versions[account]))
            rows.append(self.row(position, written[-1]))
        await connection.copy_records_to_table(table, records=rows, columns=COLUMNS)
        return written

    async def _positions(self, connection: asyncpg.Connection, count: int) -> list[int]:
        drawn = "SELECT nextval('journal_position') FROM generate_series(1, $1)"
        return [row[0] for row in await connection.fetch(drawn, count)]

    async def write(self, connection: asyncpg.Connection, *accounts: str) -> None:
        """Writes and commits one event per account."""
        async with connection.transaction():
            await self.lock(connection, accounts)
            written = await self.add(connection, accounts)
        self.committed += written

    def row(self, position: int, written: Written) -> tuple[Any, ...]:
        key = written.account.encode()
        partition = partition_of(key, self.partitions)
        headers = encode_headers(
            [
                ("ce_type", b"MoneyDeposited"),
                ("ce_version", b"%d" % written.version),
                ("ce_time", b"2026-01-01T00:00:00.000000Z"),
            ]
        )
        value = msgspec.json.encode({"account_id": written.account, "version": written.version})
        shard = shard_of(partition, self.shards)
        return position, shard, partition, Names(self.namespace).events, key, headers, value


def as_written(value: bytes) -> Written:
    body = msgspec.json.decode(value)
    return Written(body["account_id"], body["version"])


def inversions(seen: Sequence[Written]) -> list[Written]:
    """Events whose first occurrence does not follow the account's version before it."""
    newest: Counter[str] = Counter()
    wrong = []
    for one in seen:
        if one.version > newest[one.account] + 1:
            wrong.append(one)
        newest[one.account] = max(newest[one.account], one.version)
    return wrong


async def in_kafka(settings: Settings) -> list[Written]:
    """Everything the events topic holds, each partition in order."""
    seen: list[Written] = []
    async with open_topic(settings.kafka, Names(settings.namespace).events) as reader:
        async for page in reader.pages_until(await reader.end_offsets()):
            for record in page:
                assert record.partition == partition_of(record.key, settings.partitions)
                assert record.header("ce_version") == str(as_written(record.value).version)
                seen.append(as_written(record.value))
    return seen


class RelayProcess:
    """One relay worker as a child process."""

    def __init__(self, settings: Settings, folder: Path, program: Sequence[str] = CHRONOS):
        self.port = free_port()
        self._program = program
        self.settings = replace(settings, relay_port=self.port - settings.slot)
        self._log = folder / f"relay-{settings.slot}-{self.port}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> RelayProcess:
        plain = {k: v for k, v in os.environ.items() if not k.startswith("CHRONOS_")}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._program,
                cwd=ROOT,
                env={**plain, **self.settings.to_environment(), "CHRONOS_ROLE": "relay"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    async def exit_code(self, within_s: float = READY_S) -> int:
        return await asyncio.to_thread(self.process.wait, within_s)

    async def get(self, path: str) -> tuple[int, str]:
        """Status and body of an answer; 0 when there is none."""
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as http,
                http.get(f"http://127.0.0.1:{self.port}{path}") as answer,
            ):
                return answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError):
            return 0, ""

    async def is_ready(self) -> bool:
        assert self.process.poll() is None, self.story()
        return (await self.get("/readyz"))[0] == 200

    async def shards(self) -> set[int]:
        """Shards whose lock this process says it holds."""
        lines = (await self.get("/metrics"))[1].splitlines()
        head = 'chronos_relay_shard_owned{shard="'
        owned = [line for line in lines if line.startswith(head) and line.endswith(" 1.0")]
        return {int(line[len(head) :].split('"')[0]) for line in owned}

    async def counted(self, metric: str) -> float:
        """Sum of a metric over its labels."""
        lines = (await self.get("/metrics"))[1].splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(metric))

    def story(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-40:])


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
