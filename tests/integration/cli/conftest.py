"""The command line as people run it: a process of its own, beside a data folder of a bank."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from chronos.embedded.addresses import Addresses, TopicNames
from chronos.settings import Settings
from chronos.stream.topics import ensure_topics
from chronos.wire.headers import decode_headers
from tests.builders import MemoryBank, attempt, bookkeeper, open_account, transfer
from tests.integration.audit.conftest import PARTITIONS, Estate, books, estate, journal

__all__ = ["books", "estate", "journal"]

PROGRAM = "from chronos.cli.main import main; main()"
DEADLINE_S = 60
ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Awaitable[Ended]]


@pytest.fixture
def run(tmp_path) -> Run:
    """Runs `chronos` with these words, in an environment without settings."""

    async def run_(*words: str, **variables: str) -> Ended:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("CHRONOS_")}
        clean |= {"PYTHONPATH": str(ROOT), "XDG_DATA_HOME": str(tmp_path / "home")}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            PROGRAM,
            *words,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=clean | variables,
        )
        async with asyncio.timeout(DEADLINE_S):
            out, err = await process.communicate()
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())

    return run_


@pytest.fixture
def data(tmp_path, estate: Estate) -> str:
    """A data folder whose addresses lead to the small bank."""
    targets = estate.targets
    names = targets.names
    (tmp_path / "data" / "run").mkdir(parents=True)
    addresses = Addresses(
        api=targets.doors.command,
        query=targets.doors.query,
        grpc="127.0.0.1:1",
        metrics=(f"{targets.doors.query}/metrics",),
        postgres=targets.postgres_dsn,
        kafka=targets.kafka,
        redis=targets.redis_url,
        elasticsearch=targets.elasticsearch_url,
        api_key="none",
        topics=TopicNames(
            events=names.events, rejections=names.rejections, dead_letters=names.dead_letters
        ),
        partitions=PARTITIONS,
        pids={},
    )
    addresses.write(tmp_path / "data" / "run" / "addresses.json")
    return str(tmp_path / "data")


@pytest.fixture
async def refusals(estate: Estate) -> AsyncIterator[None]:
    """All topics of the small bank, and in that of rejections two refused commands."""
    names, kafka = estate.targets.names, estate.targets.kafka
    states = await ensure_topics(
        Settings(namespace=names.namespace, kafka=kafka, partitions=PARTITIONS)
    )
    bank = MemoryBank.empty()
    bank.keeper = bookkeeper(names=names, partitions=PARTITIONS)
    bank.book([attempt(open_account(name), name) for name in ("alice", "bob")])
    refused = [transfer("alice", "bob"), transfer("bob", "bob")]
    booked = bank.book([attempt(one, f"refused-{n}") for n, one in enumerate(refused)])
    for row in booked.outbox_rows:
        await estate.producer.send_and_wait(
            row.topic,
            row.value,
            row.key,
            partition=row.partition,
            headers=decode_headers(row.headers),
        )
    yield
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.delete_topics([state.name for state in states if state.created])
    await admin.close()
