"""The query side does what its OpenAPI document says, whatever it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from chronos.domain.chart import AccountKind
from chronos.domain.ids import TransferId
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.indices import delete_indices
from tests.builders import open_account, transfer
from tests.commands import place
from tests.integration.balances.harness import Scene, Worker, until
from tests.integration.openapi.trial import try_document
from web.routes.table import ROUTES

PHASES = {"examples", "coverage", "fuzzing"}
"""The query side links nothing to anything: there is no state to walk through."""
PAYMENTS = 30


@pytest.fixture
async def worker(scene: Scene) -> AsyncIterator[Worker]:
    """A worker of a bank whose history can be searched."""
    scene.settings = replace(scene.settings, live_heartbeat_s=1, min_version_wait_s=0)
    rows = await scene.book(
        open_account("bank", kind=AccountKind.SETTLEMENT),
        open_account("alice", external_id="crm-alice", metadata={"colour": "red"}),
        open_account("bob"),
        *(
            transfer(
                "bank",
                "alice",
                1000 + number,
                transfer_id=TransferId(f"trf_{number}"),
                description=f"rent, part {number}",
                external_id=f"invoice-{number}",
                metadata={"contract": "2026-031"},
            )
            for number in range(PAYMENTS)
        ),
        place("alice", 50),
    )
    await scene.publish(rows)
    search = ElasticsearchMirror(scene.settings.elasticsearch_url, scene.names)
    try:
        await scene.worker(role="mirror")
        worker = await scene.worker()
        await scene.assert_equal(worker)
        await until(lambda: _is_searchable(scene, worker), worker.story)
        yield worker
    finally:
        for started in scene.workers:
            await started.stop()
        await delete_indices(search.client, scene.names)
        await search.close()


async def _is_searchable(scene: Scene, worker: Worker) -> bool:
    status, answer = await scene.ask(worker, "/v1/accounts")
    _, entries = await scene.ask(worker, "/v1/accounts/alice/entries", limit=200)
    return (
        status == 200 and len(answer["data"]) == 3 and len(entries.get("data", ())) == PAYMENTS
    )


async def test_whatever_is_asked_is_answered_as_the_document_says(
    scene: Scene, worker: Worker, tmp_path: Path
) -> None:
    key = scene.http.headers["Authorization"].removeprefix("Bearer ")

    trial = await asyncio.to_thread(
        try_document, worker.url, key=key, rules="query_side.toml", folder=tmp_path
    )

    assert trial.exit_code == 0, trial.story
    assert trial.finished() == PHASES, trial.story
    assert trial.tried() == len(ROUTES)
    assert trial.refused_everywhere() == set(), trial.story
    assert worker.process.poll() is None
    assert "query_failed" not in worker.story()
