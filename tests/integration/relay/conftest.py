"""What the relay's tests share: an outbox in a database of its own, and relays to run on it."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chronos.assembly.measured_on import commit, machine_facts
from chronos.settings import Settings
from chronos.stream.topics import ensure_topics
from tests.databases import Database
from tests.integration.relay.harness import CHRONOS, Outbox, RelayProcess


@pytest.fixture(scope="session")
def figures() -> Iterator[dict[str, Any]]:
    """Gathers what was measured; TEST_RELAY_FIGURES names the file that keeps it."""
    gathered: dict[str, Any] = {}
    yield gathered
    kept = os.environ.get("TEST_RELAY_FIGURES")
    if kept and gathered:
        report = {
            "what": "a relay that drains a backlog, and one beside a forgotten transaction",
            "commit": commit(),
            "machine": machine_facts(),
            **gathered,
        }
        Path(kept).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


@pytest.fixture
def shards() -> int:
    """How many shards the outbox has; a module may say otherwise."""
    return 2


@pytest.fixture
def outbox(database: Database, namespace: str, shards: int) -> Outbox:
    return Outbox(dsn=database.owner_dsn, namespace=namespace, shards=shards)


@pytest.fixture
async def settings(
    servers, database: Database, namespace: str, shards: int, tmp_path: Path
) -> Settings:
    made = Settings(
        namespace=namespace,
        kafka=servers.kafka,
        relay_shards=shards,
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
