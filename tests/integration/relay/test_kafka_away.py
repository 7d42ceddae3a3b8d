"""Kafka goes away and comes back: commands go on, the outbox waits, nothing is lost."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

from chronos.embedded.artefacts import Artefacts
from chronos.embedded.folder import DataFolder
from chronos.embedded.kafka import ManagedKafka
from chronos.embedded.machine import Machine
from chronos.embedded.report import Screen
from chronos.embedded.supervisor import Plan, Supervisor
from chronos.errors import Unavailable
from chronos.settings import Settings
from chronos.stream.topics import ensure_topics
from tests.integration.relay.harness import RelayProcess, free_port, in_kafka, inversions, until

ENVIRONMENT = os.environ
ACCOUNTS = [f"acc_{n}" for n in range(20)]


@contextlib.asynccontextmanager
async def own_kafka(data_folder: Path) -> AsyncIterator[tuple[Supervisor, ManagedKafka]]:
    """A broker of this test alone, which its supervisor starts again after a kill."""
    machine = Machine.detect(ENVIRONMENT)
    folder = DataFolder(data_folder)
    folder.make(machine.run_as)
    folder.clear_run()
    with Screen() as screen:
        kafka = ManagedKafka(
            machine,
            folder,
            Artefacts(machine, screen),
            port=free_port(),
            controller_port=free_port(),
        )
        async with Supervisor(folder, screen) as supervisor:
            await supervisor.start(
                Plan(
                    name=kafka.name,
                    command=kafka.command,
                    probe=kafka.probe,
                    ready_s=kafka.ready_s,
                )
            )
            yield supervisor, kafka


async def test_the_outbox_waits_while_kafka_is_away(
    data_folder, database, namespace, outbox, tmp_path
):
    async with own_kafka(data_folder) as (supervisor, kafka):
        settings = Settings(
            namespace=namespace,
            kafka=kafka.address,
            postgres_dsn=database.relay_dsn,
            state_dir=tmp_path / "state",
            outbox_rows_max=100,
        )
        await ensure_topics(settings)
        relay = RelayProcess(settings, tmp_path).start()
        try:
            await _live_through_it(supervisor, settings, outbox, relay)
        finally:
            if relay.process.poll() is None:
                relay.kill()


async def _live_through_it(supervisor, settings, outbox, relay) -> None:
    await until(relay.is_ready, "the relay did not start")
    writer = await outbox.connect()
    await outbox.write(writer, *ACCOUNTS)
    await until(lambda: _has_all(settings, outbox), "nothing came through")

    paused = supervisor.pids["kafka"]
    os.kill(paused, signal.SIGSTOP)
    for _ in range(30):
        await outbox.write(writer, *ACCOUNTS)
    await until(lambda: _waits(relay), "no row was seen waiting")
    os.kill(paused, signal.SIGKILL)
    for _ in range(30):
        await outbox.write(writer, *ACCOUNTS)
    await until(lambda: _is_another(supervisor, paused), "Kafka was not started again")

    seen = await until(lambda: _has_all(settings, outbox), "rows were lost")
    assert inversions(seen) == []
    assert set(seen) == set(outbox.committed)
    await until(relay.is_ready, "the relay is not ready again")
    assert await relay.counted("chronos_outbox_oldest_unpublished_age_seconds{") == 0
    relay.send(signal.SIGTERM)
    assert await relay.exit_code() == 0
    await writer.close()


async def _has_all(settings, outbox):
    try:
        seen = await in_kafka(settings)
    except Unavailable:
        return None
    return seen if set(outbox.committed) <= set(seen) else None


async def _waits(relay) -> bool:
    return await relay.counted("chronos_outbox_oldest_unpublished_age_seconds{") > 0


async def _is_another(supervisor, pid: int) -> bool:
    return supervisor.pids.get("kafka", pid) != pid
