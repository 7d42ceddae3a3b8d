"""Balances workers as child processes, fed with the records of a bank booked in memory."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from aiokafka import AIOKafkaProducer

from chronos.domain.chart import AccountKind
from chronos.domain.commands import Command
from chronos.domain.ids import TransferId
from chronos.settings import Settings
from chronos.wire.booking import AccountRow, EventRow, OutboxRow
from chronos.wire.headers import decode_headers
from chronos.wire.topics import Names
from tests import waiting
from tests.builders import MemoryBank, attempt, bookkeeper, found, open_account, transfer

ROOT = Path(__file__).resolve().parents[3]
READY_S = 60.0
FOLLOW_S = 45.0
BATCH_COMMANDS = 100


async def until(
    condition: Callable[[], Awaitable[Any]], what: Callable[[], str], within_s: float = FOLLOW_S
) -> Any:
    """Waits until `condition` gives something true; tells what was seen when it never does."""
    return await waiting.until(condition, what, within_s=within_s)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Worker:
    """One worker as a child process; of balances, if nothing else is said."""

    def __init__(self, settings: Settings, log: Path, role: str = "balances"):
        self.port = free_port()
        self._role = role
        # The worker adds its slot to the port that it is given.
        self._settings = replace(settings, **{f"{role}_port": self.port - settings.slot})
        self.slot = settings.slot
        self._log = log
        self.planted = ""
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        program = ["-c", "from chronos.cli.main import main; main()"]
        if self.planted:
            program = ["-m", "tests.integration.balances.planted", self.planted]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *program, "worker", self._role],
                cwd=ROOT,
                env={**_plain_environment(), **self._settings.to_environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self.process.wait(10)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    async def stop(self) -> int:
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self._signal(signal.SIGTERM)
        return await self.exit_code()

    async def exit_code(self) -> int:
        return await asyncio.to_thread(self.process.wait, READY_S)

    def story(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-40:])

    def said(self, event: str) -> list[dict[str, Any]]:
        """Gives its log lines of one kind, oldest first."""
        lines = self._log.read_text(errors="replace").splitlines()
        # Faust shows the terminal's cursor again before the first line of a crash.
        read = [json.loads(line[line.index("{") :]) for line in lines if '{"' in line]
        return [line for line in read if line["event"] == event]

    def _signal(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)


def _plain_environment() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if not name.startswith("CHRONOS_")
    }


@dataclass
class Scene:
    """A bank, its journal in PostgreSQL, its records in Kafka, and workers that follow."""

    settings: Settings
    owner: asyncpg.Connection
    producer: AIOKafkaProducer
    http: aiohttp.ClientSession
    folder: Path
    bank: MemoryBank = field(init=False)
    workers: list[Worker] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = Names(self.settings.namespace)
        self.bank = MemoryBank(keeper=bookkeeper(names=self.names), state=found())
        self._keys = 0
        self.published = 0
        self.last_position = 0

    async def book(self, *commands: Command) -> list[OutboxRow]:
        """Books commands and writes their events to the journal; gives the events' records."""
        rows: list[OutboxRow] = []
        for start in range(0, len(commands), BATCH_COMMANDS):
            rows += await self._book(commands[start : start + BATCH_COMMANDS])
        return rows

    async def _book(self, commands: Sequence[Command]) -> list[OutboxRow]:
        first = self.bank.state.positions[0]
        needed = tuple(range(first, first + 4 * len(commands) + 4))
        self.bank.state = replace(self.bank.state, positions=needed)
        attempts = []
        for command in commands:
            self._keys += 1
            attempts.append(attempt(command, key=f"key-{self._keys}"))
        booked = self.bank.book(attempts)
        refused = [r.body for r in booked.receipts if r.status >= 400]
        assert not refused, refused
        self.last_position = booked.event_rows[-1].position
        await self._store("accounts", AccountRow._fields, booked.account_rows)
        await self._store("events", EventRow._fields, booked.event_rows)
        return [row for row in booked.outbox_rows if row.topic == self.names.events]

    async def _store(self, table: str, columns: Sequence[str], rows: Sequence[Any]) -> None:
        if rows:
            await self.owner.copy_records_to_table(table, records=rows, columns=columns)

    async def forget(self, account_id: str, version: int) -> Any:
        """Takes one event out of the journal, as no role of Chronos could; gives its row."""
        async with self._without_triggers():
            return await self.owner.fetchrow(
                f"DELETE FROM events WHERE account_id = $1 AND version = $2 "
                f"RETURNING {', '.join(EventRow._fields)}",
                account_id,
                version,
            )

    async def remember(self, row: Any) -> None:
        """Puts a forgotten event back."""
        async with self._without_triggers():
            await self._store("events", EventRow._fields, [tuple(row)])

    @contextlib.asynccontextmanager
    async def _without_triggers(self) -> AsyncIterator[None]:
        names = await self.owner.fetch(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = 'events'::regclass"
            " AND NOT tgisinternal AND tgenabled = 'A'"
        )
        await self.owner.execute("ALTER TABLE events DISABLE TRIGGER USER")
        yield
        for (name,) in names:
            await self.owner.execute(f"ALTER TABLE events ENABLE ALWAYS TRIGGER {name}")

    async def publish(self, rows: Sequence[OutboxRow], **changes: Any) -> None:
        """Sends records as the relay does; `changes` are other fields of all of them."""
        sent = [
            await self.producer.send(
                row.topic,
                key=changes.get("key", row.key),
                value=changes.get("value", row.value),
                partition=row.partition,
                headers=changes.get("headers", decode_headers(row.headers)),
            )
            for row in rows
        ]
        await asyncio.gather(*sent)
        self.published += len(sent)

    async def open_accounts(self, count: int) -> list[OutboxRow]:
        """Books a settlement account `bank` and customers `a0` ... with money."""
        names = [f"a{number}" for number in range(count)]
        rows = await self.book(
            open_account("bank", kind=AccountKind.SETTLEMENT), *map(open_account, names)
        )
        return rows + await self.book(*(self.pay("bank", name, 1_000_000) for name in names))

    def pay(self, source: str, destination: str, amount: int = 1) -> Command:
        self._keys += 1
        transfer_id = TransferId(f"trf_{self._keys}")
        return transfer(source, destination, amount, transfer_id=transfer_id)

    async def worker(
        self, slot: int = 0, *, role: str = "balances", planted: str = ""
    ) -> Worker:
        """Starts a worker and waits until it may be asked."""
        settings = replace(self.settings, slot=slot)
        worker = Worker(settings, self.folder / f"{role}-{slot}.log", role)
        worker.planted = planted
        self.workers.append(worker)
        worker.start()
        await self.until_ready(worker)
        return worker

    def lose_disk(self, worker: Worker) -> None:
        """Deletes a stopped worker's tables."""
        shutil.rmtree(self.settings.state_dir / f"balances-{worker.slot}")

    async def until_ready(self, worker: Worker) -> None:
        async def ready() -> bool:
            assert worker.process.poll() is None, worker.story()
            try:
                async with self.http.get(f"{worker.url}/readyz") as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        await until(ready, worker.story, READY_S)

    async def until_owner_of_all(self, worker: Worker) -> None:
        """Waits until every partition's table is kept by this worker."""
        seen: list[Any] = []

        async def owner() -> bool:
            _, body = await self.ask(worker, "/v1/pipeline")
            seen[:] = [body["stages"]["balances"]]
            return len(seen[0].get("owned_here", ())) == self.settings.partitions

        await until(owner, lambda: str(seen))
        await self.until_ready(worker)

    async def ask(self, worker: Worker, path: str, **query: Any) -> tuple[int, dict[str, Any]]:
        async with self.http.get(f"{worker.url}{path}", params=query) as answer:
            return answer.status, await answer.json(content_type=None)

    async def balance(self, worker: Worker, account_id: str, **query: Any) -> dict[str, Any]:
        """Asks until the worker answers, for as long as it takes a worker to follow."""
        seen: list[Any] = []

        async def answered() -> dict[str, Any] | None:
            assert worker.process.poll() is None, worker.story()
            try:
                seen[:] = await self.ask(worker, f"/v1/accounts/{account_id}/balance", **query)
            except (aiohttp.ClientError, TimeoutError) as error:
                seen[:] = [error]
                return None
            return seen[1] if seen[0] == 200 else None

        return await until(answered, lambda: f"{seen}\n{worker.story()}")

    async def assert_equal(self, worker: Worker) -> set[str]:
        """Compares every account with the bank, through one worker; gives the sources seen."""
        heads = self.bank.state.heads.values()
        sources = set()
        for head in heads:
            state = head.state
            shown = await self.balance(worker, state.account_id, min_version=state.version)
            assert (shown["version"], shown["booked"]) == (state.version, state.booked)
            sources.add(shown["source"])
        return sources

    async def counter(self, worker: Worker, sample: str) -> float:
        """Reads one sample of the worker's metrics; 0 when there is none."""
        async with self.http.get(f"{worker.url}/metrics") as answer:
            for line in (await answer.text()).splitlines():
                name, _, value = line.rpartition(" ")
                if name == sample:
                    return float(value)
        return 0.0
