"""The command line as people run it: a process of its own, beside a data folder of a bank."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chronos.embedded.addresses import Addresses, TopicNames
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
