"""What the tests of expiry share: a bank with two accounts, and relays to run on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from chronos.assembly.ledger import ledger_on, ledger_rules
from chronos.settings import Settings
from chronos.store.opening import open_store
from chronos.stream.topics import ensure_topics
from tests.databases import Database
from tests.integration.expiry.harness import HoldBank
from tests.integration.mirror.cut import Cut
from tests.integration.relay.harness import RelayProcess
from tests.journals import SIZES


@pytest.fixture
async def writer_door(database: Database) -> AsyncIterator[Cut]:
    """What stands between the expiry agent and PostgreSQL, and nobody else."""
    async with Cut.before(database.writer_dsn) as cut:
        yield cut


@pytest.fixture
async def settings(
    servers, database: Database, namespace: str, writer_door: Cut, tmp_path: Path
) -> Settings:
    made = Settings(
        namespace=namespace,
        kafka=servers.kafka,
        postgres_dsn=database.relay_dsn,
        writer_dsn=writer_door.url,
        state_dir=tmp_path / "state",
    )
    await ensure_topics(made)
    return made


@pytest.fixture
async def bank(settings: Settings, database: Database) -> AsyncIterator[HoldBank]:
    """The command API's side: its own way to the same journal."""
    owner = await asyncpg.connect(database.owner_dsn, timeout=10)
    async with open_store(database.writer_dsn, ledger_rules(settings), SIZES) as store:
        made = HoldBank(ledger_on(store), owner)
        await made.open()
        yield made
    await owner.close(timeout=5)


@pytest.fixture
async def relay(
    settings: Settings, tmp_path: Path
) -> AsyncIterator[Callable[..., RelayProcess]]:
    """Makes a relay process for a slot and starts it; all are killed afterwards."""
    made: list[RelayProcess] = []

    def start(slot: int = 0, **changes: str) -> RelayProcess:
        process = RelayProcess(replace(settings, slot=slot, **changes), tmp_path)
        made.append(process.start())
        return process

    yield start
    for process in made:
        if process.process.poll() is None:
            process.kill()
