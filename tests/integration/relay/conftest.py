"""What the relay's tests share: an outbox in a database of its own, and relays to run on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from chronos.settings import Settings
from chronos.stream.topics import ensure_topics
from tests.databases import Database
from tests.integration.relay.harness import CHRONOS, Outbox, RelayProcess


@pytest.fixture
def outbox(database: Database, namespace: str) -> Outbox:
    return Outbox(dsn=database.owner_dsn, namespace=namespace)


@pytest.fixture
async def settings(servers, database: Database, namespace: str, tmp_path: Path) -> Settings:
    made = Settings(
        namespace=namespace,
        kafka=servers.kafka,
        postgres_dsn=database.relay_dsn,
        state_dir=tmp_path / "state",
        outbox_rows_max=100,
        outbox_rotate_rows=200,
        outbox_rotate_s=1,
    )
    await ensure_topics(made)
    return made


@pytest.fixture
async def relay(
    settings: Settings, tmp_path: Path
) -> AsyncIterator[Callable[..., RelayProcess]]:
    """Makes a relay process for a slot and starts it; all are killed afterwards."""
    made: list[RelayProcess] = []

    def start(slot: int = 0, program: Sequence[str] = CHRONOS) -> RelayProcess:
        process = RelayProcess(replace(settings, slot=slot), tmp_path, program)
        made.append(process.start())
        return process

    yield start
    for process in made:
        if process.process.poll() is None:
            process.kill()
