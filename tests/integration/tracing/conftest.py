"""Every process of Chronos on the real servers, with its spans going to a receiver here."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from chronos.clock import SystemIds
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.indices import delete_indices
from chronos.mirror.redis import RedisMirror
from chronos.settings import Settings
from chronos.wire.topics import Names
from tests.conftest import ServerAddresses
from tests.databases import Database
from tests.integration.api.running import RunningApi, is_ready, make_key, running_api
from tests.integration.api.wire import Answer, Door
from tests.integration.balances.harness import Worker, until
from tests.integration.rpc.calling import Caller
from tests.otlp_receiver import Receiver

SCOPES = ("read", "write")
# Of no other number in this test: what is found of it in a span was an amount.
AMOUNT = 271_828_183
READY_S = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """A bank with two accounts whose processes record spans."""

    api: RunningApi
    workers: dict[str, Worker]
    http: Door
    rpc: Caller
    receiver: Receiver
    names: Names
    redis: RedisMirror
    search: ElasticsearchMirror

    async def post(self, path: str, body: dict, **headers: str) -> None:
        answer = await asyncio.to_thread(self.http.post, path, body, **headers)
        assert answer.status == 201, answer.json

    async def transfer(self, **headers: str) -> None:
        body = {"from": "vault-xq", "to": "zoe-xq", "amount": AMOUNT, "currency": "EUR"}
        await self.post("/v1/transfers", body, **headers)

    def ask_balance(self, **headers: str) -> None:
        """Asks the query side."""
        answer = self._balance(**headers)
        assert answer.status == 200, answer.json

    async def can_be_asked(self) -> bool:
        """Tells whether the query side knows the customer."""
        answer = await asyncio.to_thread(self._balance, traceparent=None)
        return answer.status == 200

    def _balance(self, **headers: str | None) -> Answer:
        door = replace(self.http, port=self.workers["balances"].port)
        return door.get("/v1/accounts/zoe-xq/balance", **headers)

    async def followed(self, version: int) -> None:
        """Waits until Redis and both indices have the customer's newest version."""

        async def there() -> bool:
            await self.search.entries.refresh()
            newest = await self.search.entries.newest_version("zoe-xq")
            copies = (
                await self.redis.read("zoe-xq"),
                await self.search.accounts.read("zoe-xq"),
            )
            return newest == version and all(c and c.version == version for c in copies)

        await until(there, lambda: "\n".join(w.story() for w in self.workers.values()))

    def dropped(self) -> int:
        """Tells how many spans the API's processes have dropped."""
        found = 0
        for port in (self.api.admin_port, self.api.admin_port + 1):
            text = Door(port=port, api_key="").get("/metrics").body.decode()
            found += sum(
                int(float(line.split()[1]))
                for line in text.splitlines()
                if line.startswith('chronos_trace_spans_total{outcome="dropped"}')
            )
        return found

    async def stop(self) -> dict[str, tuple[int, float]]:
        """Stops every process; gives the exit code and the time of each."""
        ended = {}
        for name, stop in self._stops().items():
            started_s = time.monotonic()
            code = await stop()
            ended[name] = code, time.monotonic() - started_s
        return ended

    def _stops(self) -> dict[str, Callable]:
        stops = {role: worker.stop for role, worker in self.workers.items()}
        return {"api": lambda: asyncio.to_thread(self.api.stop), **stops}


@pytest.fixture
def run_traced(servers: ServerAddresses, database: Database, tmp_path: Path, monkeypatch):
    """Gives a context that runs all processes with OpenTelemetry's variables as they are."""

    @contextlib.asynccontextmanager
    async def run(receiver: Receiver, **variables: str) -> AsyncIterator[Traced]:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        for name, text in variables.items():
            monkeypatch.setenv(f"OTEL_{name}", text)
        names = Names(SystemIds().new_id("t"))
        # The API's runner writes the secret that the workers read.
        settings = Settings(
            namespace=names.namespace,
            kafka=servers.kafka,
            redis_url=servers.redis,
            elasticsearch_url=servers.elasticsearch,
            key_secret_file=tmp_path / "secret",
            state_dir=tmp_path / "state",
            postgres_dsn=database.reader_dsn,
            partitions=2,
        )
        key = await asyncio.to_thread(make_key, database, "teller", *SCOPES)
        workers = {
            role: Worker(replace(settings, postgres_dsn=dsn), tmp_path / f"{role}.log", role)
            for role, dsn in {
                "relay": database.relay_dsn,
                "balances": database.reader_dsn,
                "mirror": database.reader_dsn,
            }.items()
        }
        redis = RedisMirror(servers.redis, names)
        search = ElasticsearchMirror(servers.elasticsearch, names)
        try:
            with running_api(
                database, tmp_path, namespace=names.namespace, partitions=2, api_processes=2
            ) as api:
                for worker in workers.values():
                    worker.start()
                await _until_ready(api, workers)
                with Caller(api.grpc_port, key) as rpc:
                    traced = Traced(
                        api=api, workers=workers, http=api.door(key), rpc=rpc,
                        receiver=receiver, names=names, redis=redis, search=search,
                    )  # fmt: skip
                    await _open_accounts(traced)
                    yield traced
        finally:
            for worker in workers.values():
                if worker.process is not None and worker.process.poll() is None:
                    worker.kill()
            await delete_indices(search.client, names)
            await search.close()
            keys = await redis._client.keys(names.balance_key("*"))
            if keys:
                await redis._client.delete(*keys)
            await redis.close()

    return run


async def _until_ready(api: RunningApi, workers: dict[str, Worker]) -> None:
    async def ready() -> bool:
        assert all(worker.process.poll() is None for worker in workers.values()), story()
        ports = [api.admin_port, api.admin_port + 1, *(w.port for w in workers.values())]
        answers = await asyncio.gather(*(asyncio.to_thread(is_ready, port) for port in ports))
        return all(answers)

    def story() -> str:
        return "\n".join(worker.story() for worker in workers.values())

    await until(ready, story, READY_S)


async def _open_accounts(traced: Traced) -> None:
    bank = {"id": "vault-xq", "currency": "EUR", "kind": "settlement"}
    await traced.post("/v1/accounts", bank, traceparent=None)
    await traced.post("/v1/accounts", {"id": "zoe-xq", "currency": "EUR"}, traceparent=None)
    # A trace is whole when one side of a transfer is read; the other's partition may be behind.
    await until(traced.can_be_asked, traced.workers["balances"].story)
