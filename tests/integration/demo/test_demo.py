"""A short day of the demo on real servers, as a person would start it."""

import asyncio
import os
import sys
from pathlib import Path

from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.indices import delete_indices
from chronos.wire.topics import Names

ROOT = Path(__file__).resolve().parents[3]
DEADLINE_S = 240
COLUMNS = 80


async def test_a_short_day_ends_with_equal_models_and_fits_the_screen(servers, namespace):
    variables = {k: v for k, v in os.environ.items() if not k.startswith("CHRONOS_")} | {
        "CHRONOS_NAMESPACE": namespace,
        "CHRONOS_KAFKA": servers.kafka,
        "CHRONOS_REDIS_URL": servers.redis,
        "CHRONOS_ELASTICSEARCH_URL": servers.elasticsearch,
        "COLUMNS": str(COLUMNS),
    }
    words = ("-m", "chronos", "demo", "--once", "--transfers", "60", "--seed", "7")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        cwd=ROOT,
        env=variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            out, err = await process.communicate()
    finally:
        await forget(servers.elasticsearch, namespace)

    said = out.decode()
    assert process.returncode == 0, said + err.decode()
    assert "60 transfers booked" in said
    assert "retries answered with their first receipt" in said
    assert "reconcile: clean" in said
    assert "verify: clean" in said
    assert "all 33 accounts agree" in said
    assert "the salaries in 4 batches" in said
    assert "the minibar's hold is expired" in said
    assert "UNEXPECTED" not in said
    assert "Statement of guest in EUR" in said
    assert "\x1b" not in said
    assert [line for line in said.splitlines() if len(line.rstrip()) > COLUMNS] == []


async def forget(elasticsearch: str, namespace: str) -> None:
    names = Names(namespace)
    mirror = ElasticsearchMirror(elasticsearch, names)
    try:
        await delete_indices(mirror.client, names)
    finally:
        await mirror.close()
