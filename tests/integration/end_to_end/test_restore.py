"""The drill: the database is lost and brought back to a moment behind Kafka.

Everything is done by the commands of the README's "Backup and restore". What was acknowledged
after the moment is gone everywhere, what was acknowledged before is everywhere, and no two
stores ever show two histories at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from chronos.assembly.servers_only import servers_only
from chronos.client.doors import Doors
from chronos.client.exchange import Patience
from chronos.client.ledger_client import LedgerClient
from chronos.client.refusals import Refused
from chronos.embedded.folder import DataFolder
from chronos.embedded.report import Silence
from chronos.errors import ChronosError
from chronos.store import roles
from tests.integration.balances.harness import free_port
from tests.integration.end_to_end.evidence import (
    Journal,
    headers_of,
    read_elasticsearch,
    read_redis,
    read_topic,
)
from tests.integration.end_to_end.running import ROOT, Running, eventually

CUSTOMERS = [f"customer-{n}" for n in range(6)]
ACCOUNTS = ["bank", *CUSTOMERS]
SEGMENT_KEPT = """
SELECT last_archived_wal >= $1 FROM pg_stat_archiver
"""


class Drill:
    """One instance, its backup, and the transfers on either side of the moment."""

    def __init__(self, running: Running):
        self.running = running
        self.data = running.data
        self.backup = running.data.parent / "backup"
        self.wal = running.data.parent / "wal"
        self.kept: set[str] = set()
        self.lost: set[str] = set()
        self.anew: set[str] = set()
        self.moment = ""
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def timed(self, what: str):
        started_s = time.monotonic()
        yield
        self.seconds[what] = round(time.monotonic() - started_s, 1)

    async def command(self, *arguments: str) -> dict:
        code, said = await self.running.command(*arguments)
        assert code == 0, said
        return said

    def told(self) -> str:
        return ", ".join(f"{what} {seconds} s" for what, seconds in self.seconds.items())


@pytest.fixture
async def drill(data_folder, monkeypatch) -> AsyncIterator[Drill]:
    made = Drill(Running(data_folder, "--port", "0"))
    # PostgreSQL's account makes it; a folder that is made by the start is its own.
    monkeypatch.setenv("CHRONOS_WAL_ARCHIVE", str(made.wal))
    try:
        yield made
    finally:
        if made.running.process is not None and made.running.process.poll() is None:
            await made.running.stop()


async def test_a_database_behind_kafka_is_brought_back_and_all_else_follows(
    drill, record_property
):
    await drill.running.start()
    await move_money_through_a_backup_and_a_moment(drill)
    await lose_the_database(drill)
    await put_the_backup_back(drill)
    await prove_that_nothing_goes_on(drill)
    await book_on_the_restored_database(drill)
    with drill.timed("rebuild all"):
        facts = await drill.command("rebuild", "all")
    with drill.timed("start"):
        await drill.running.start()
    await prove_one_history(drill, facts)
    await prove_that_commands_flow(drill)
    record_property("seconds", drill.seconds)
    sys.stdout.write(f"restore drill: {drill.told()}\n")


async def move_money_through_a_backup_and_a_moment(drill):
    async with drill.running.client() as client:
        await client.accounts.open(account_id="bank", currency="EUR", kind="settlement")
        for name in CUSTOMERS:
            await client.accounts.open(account_id=name, currency="EUR")
            drill.kept |= await move(client, f"salary-{name}", "bank", name, 10_000)
        taking = asyncio.create_task(drill.command("backup", str(drill.backup)))
        count = 0
        while not taking.done() or count < 50:
            drill.kept |= await around(client, f"kept-{count}")
            count += 1
        await taking
        drill.moment = await now(drill)
        for number in range(50):
            drill.lost |= await around(client, f"lost-{number}")
    await eventually(lambda: caught_up(drill), within_s=60)
    await archived(drill)


async def move(client, name, source, destination, amount) -> set[str]:
    await client.transfers.make(
        source, destination, amount=amount, currency="EUR", id=name, key=name
    )
    return {name}


async def around(client, name) -> set[str]:
    number = int(name.rpartition("-")[2])
    source, destination = CUSTOMERS[number % 6], CUSTOMERS[(number + 1) % 6]
    return await move(client, name, source, destination, 1 + number % 7)


async def now(drill) -> str:
    connection = await asyncpg.connect(drill.running.addresses["postgres"])
    moment = await connection.fetchval("SELECT clock_timestamp()")
    await connection.close()
    return moment.isoformat().replace("+00:00", "Z")


async def archived(drill):
    """Has what is in the newest segment archived, as it would be within a minute."""
    connection = await asyncpg.connect(drill.running.addresses["postgres"])
    segment = await connection.fetchval("SELECT pg_walfile_name(pg_switch_wal())")

    async def kept():
        return bool(await connection.fetchval(SEGMENT_KEPT, segment))

    await eventually(kept, within_s=30)
    await connection.close()


async def caught_up(drill) -> bool:
    addresses = drill.running.addresses
    journal = await Journal.read(addresses)
    wanted = {a: (h["version"], h["booked_after"]) for a, h in journal.heads.items()}
    search = await read_elasticsearch(addresses, list(wanted))
    return (
        await read_redis(addresses, list(wanted)) == wanted
        and search == {"accounts": wanted, "entries": len(journal.events)}
        and {headers_of(r)["ce_id"] for r in await read_topic(addresses)}
        == {event["event_id"] for event in journal.events}
    )


async def lose_the_database(drill):
    code, said = await ended(drill, "restore", str(drill.backup))
    assert (code, "runs on" in said) == (1, True), said
    code, said = await ended(drill, "backup", str(drill.backup))
    assert (code, "is there already" in said) == (1, True), said
    await drill.running.stop()
    home = DataFolder(drill.data).stand_in or drill.data
    shutil.rmtree(home / "postgres" / "data")


async def put_the_backup_back(drill):
    await damaged_and_strange_backups_are_refused(drill)
    with drill.timed("restore"):
        said = await drill.command(
            "restore", str(drill.backup), "--wal", str(drill.wal), "--until", drill.moment
        )
    assert said["aside"] is None


async def damaged_and_strange_backups_are_refused(drill):
    back = ("restore", str(drill.backup), "--wal", str(drill.wal))
    for name, reason in (
        ("postgres/PG_VERSION", "pg_verifybackup"),
        ("key.secret", "of another data folder"),
    ):
        file = drill.backup / name
        right = file.read_bytes()
        file.write_bytes(right + b"1")
        code, said = await ended(drill, *back)
        assert (code, reason in said) == (1, True), said
        file.write_bytes(right)
    code, said = await ended(drill, *back[:2], "--wal", str(drill.data / "nowhere"))
    assert (code, "cannot read a folder" in said) == (78, True), said


async def prove_that_nothing_goes_on(drill):
    """Neither all together nor a part of the rebuild: the wrong order is refused."""
    with drill.timed("recovery and refusal"):
        code, said = await ended(drill, "up", "--port", "0")
    assert code == 78
    assert "restored or another database" in said
    assert "`chronos rebuild all`" in said
    assert not (drill.data / "run/addresses.json").exists()
    code, said = await ended(drill, "rebuild", "kafka")
    assert code == 78
    assert "until `chronos rebuild all`" in said


async def ended(drill, *arguments) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "chronos", *arguments, "--data", str(drill.data),
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 180)
    return process.returncode, out.decode()


async def book_on_the_restored_database(drill):
    """The command API needs PostgreSQL alone: it gives versions again that Kafka has."""
    async with (
        servers_only(drill.data, environment=os.environ, report=Silence()) as settings,
        command_api(drill, settings) as client,
    ):
        # Whoever sends everything again with its keys loses nothing, and books nothing twice.
        kept, lost = [
            await client.transfers.make(
                CUSTOMERS[0], CUSTOMERS[1], amount=1, currency="EUR", id=name, key=name
            )
            for name in ("kept-0", "lost-0")
        ]
        assert (kept.replayed, lost.replayed) == (True, False)
        drill.lost.discard("lost-0")
        drill.anew |= {"lost-0"} | await around(client, "anew-3")
        again = (CUSTOMERS[0], lost.accounts[CUSTOMERS[0]].version)
        assert again in await versions_in_kafka(settings), "Kafka has another event there"


async def versions_in_kafka(settings):
    addresses = {
        "kafka": settings.kafka,
        "topics": {"events": "chronos.events.v1"},
        "partitions": settings.partitions,
    }
    return {
        (record.key.decode(), int(headers_of(record)["ce_version"]))
        for record in await read_topic(addresses)
    }


@contextlib.asynccontextmanager
async def command_api(drill, settings):
    secrets = json.loads((drill.data / "run/secrets.json").read_text())
    ports = {name: free_port() for name in ("api_port", "grpc_port", "admin_port")}
    settings = replace(
        settings,
        postgres_dsn=roles.role_dsn(settings.postgres_dsn, roles.WRITER, secrets["writer"]),
        key_secret_file=drill.data / "run/key.secret",
        **ports,
    )
    plain = {k: v for k, v in os.environ.items() if not k.startswith("CHRONOS_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "chronos", "api",
        cwd=ROOT, env=plain | settings.to_environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    door = f"http://127.0.0.1:{ports['api_port']}"
    key = (drill.data / "run/owner.key").read_text().strip()
    doors = Doors(command=door, query=door, api_key=key)
    try:
        async with LedgerClient(doors, patience=Patience(deadline_s=30, attempt_s=5)) as client:

            async def ready():
                assert process.returncode is None
                try:
                    await client.readiness(f"http://127.0.0.1:{ports['admin_port']}")
                except (ChronosError, Refused):
                    return False
                return True

            await eventually(ready, within_s=60)
            yield client
    finally:
        process.terminate()
        await process.wait()


async def prove_one_history(drill, facts):
    addresses = drill.running.addresses
    journal = await Journal.read(addresses)
    booked = {event["transfer_id"] for event in journal.events if event["transfer_id"]}
    assert booked == drill.kept | drill.anew
    assert not booked & drill.lost
    assert journal.gaps() == []
    assert set(journal.sums().values()) == {0}
    assert facts["kafka"]["published"]["events"] == len(journal.events)
    bodies = {event["event_id"]: event["body"] for event in journal.events}
    records = await read_topic(addresses)
    assert {headers_of(r)["ce_id"]: r.value for r in records} == bodies
    assert len(records) == len(bodies), "once each"
    with drill.timed("equal again"):
        await eventually(lambda: caught_up(drill), within_s=60)
    async with drill.running.client() as client:
        for name, head in journal.heads.items():
            view = await client.views.balance(name, min_version=head["version"])
            assert (view.version, view.booked) == (head["version"], head["booked_after"])
            assert view.source == "table"
    for name in ("verify", "reconcile"):
        with drill.timed(name):
            report = await drill.command(name)
        assert report["findings"] == []


async def prove_that_commands_flow(drill):
    async with drill.running.client() as client:
        for name in sorted(drill.lost)[:5]:
            await around(client, name)
    await eventually(lambda: caught_up(drill), within_s=60)
    await drill.command("reconcile")
