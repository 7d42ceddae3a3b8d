"""`chronos doctor`: sentences on what is wrong with an instance, and what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import click

from chronos.cli.instance import Instance, find_instance
from chronos.cli.show import instance_options, print_json, run
from chronos.client.exchange import Patience
from chronos.client.ledger_client import LedgerClient
from chronos.client.refusals import Refused
from chronos.embedded.folder import DataFolder
from chronos.embedded.passwords import Passwords
from chronos.errors import ChronosError
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.redis import RedisMirror
from chronos.settings import Settings
from chronos.store import migrate, roles
from chronos.store.startup_checks import Demand, Duty, check
from chronos.stream.topic_reader import partition_counts
from chronos.wire.topics import Topic

LAG_EVENTS_MAX = 10_000
LAG_SECONDS_MAX = 10.0
ANSWER_DEADLINE_S = 3.0
CHECK_DEADLINE_S = 20.0

Check = Callable[[Instance], Awaitable[list["Said"]]]


class Said(NamedTuple):
    """One sentence of the doctor."""

    is_fine: bool
    about: str
    sentence: str


@click.command(name="doctor")
@instance_options
def command(data: Path | None, *, as_json: bool) -> None:
    """Look for what is wrong with an instance; exit 1 when something is."""
    instance = find_instance(data)

    async def work() -> int:
        said = await examine(instance)
        wrong = [one for one in said if not one.is_fine]
        if as_json:
            print_json({"healthy": not wrong, "checks": [one._asdict() for one in said]})
            return 1 if wrong else 0
        for one in said:
            print(f"{'ok   ' if one.is_fine else 'WRONG'}  {one.about}: {one.sentence}")
        print("nothing is wrong" if not wrong else f"{len(wrong)} of {len(said)} are wrong")
        return 1 if wrong else 0

    run(work(), as_json=as_json)


async def examine(instance: Instance) -> list[Said]:
    """Runs all checks side by side; a check that fails or takes too long is a finding."""
    checks: dict[str, Check] = {
        "processes": _processes,
        "PostgreSQL schema": _schema,
        "PostgreSQL roles": _roles,
        "Kafka topics": _topics,
        "Redis": _redis,
        "Elasticsearch": _elasticsearch,
        "pipeline": _pipeline,
    }
    answers = await asyncio.gather(
        *(_examined(about, work(instance)) for about, work in checks.items())
    )
    return [one for answer in answers for one in answer]


async def _examined(about: str, work: Awaitable[list[Said]]) -> list[Said]:
    try:
        async with asyncio.timeout(CHECK_DEADLINE_S):
            return await work
    except TimeoutError:
        return [_wrong(about, f"no answer within {CHECK_DEADLINE_S:g} s")]
    except (ChronosError, OSError) as fault:
        return [_wrong(about, str(fault))]


async def _processes(instance: Instance) -> list[Said]:
    doors = [instance.doors.command, instance.doors.query]
    doors += [url.removesuffix("/metrics") for url in instance.metrics]
    async with _impatient(instance) as client:
        return list(
            await asyncio.gather(*(_ready(client, door) for door in dict.fromkeys(doors)))
        )


async def _ready(client: LedgerClient, door: str) -> Said:
    try:
        await client.readiness(door)
    except Refused as refusal:
        return _wrong(door, f"answers {refusal.status} to /readyz: {refusal}")
    except ChronosError as fault:
        return _wrong(door, f"is not ready: {fault}; see its log in the data folder")
    return _fine(door, "is ready")


async def _schema(instance: Instance) -> list[Said]:
    states = await migrate.status(instance.postgres_dsn)
    missing = [state for state in states if state.applied_at is None]
    if missing:
        numbers = ", ".join(f"{state.number:04}" for state in missing)
        return [
            _wrong("PostgreSQL schema", f"lacks migration {numbers}: run `chronos migrate up`")
        ]
    return [_fine("PostgreSQL schema", f"is at {max(s.number for s in states)}, as it must be")]


async def _roles(instance: Instance) -> list[Said]:
    """Signs in as each role, as the processes do, and proves settings, rights and triggers."""
    path = None if instance.data is None else DataFolder(instance.data).run / "secrets.json"
    if path is None or not path.exists():
        return [
            _fine("PostgreSQL roles", "not examined: their passwords are not on this machine")
        ]
    passwords = Passwords.kept(path)
    settings = Settings.from_environment()
    lanes = settings.writer_lanes * settings.api_processes
    duties = (
        (roles.WRITER, passwords.writer, Duty.WRITE),
        (roles.RELAY, passwords.relay, Duty.RELAY),
        (roles.READER, passwords.reader, Duty.READ),
    )
    said = []
    for role, password, duty in duties:
        dsn = roles.role_dsn(instance.postgres_dsn, role, password)
        try:
            await check(dsn, Demand(duty=duty, transactions_max=lanes))
        except ChronosError as fault:
            said.append(_wrong(f"role {role}", str(fault)))
        else:
            said.append(_fine(f"role {role}", "has the rights it needs and no others"))
    return said


async def _topics(instance: Instance) -> list[Said]:
    topics = instance.names.topics
    counts = await partition_counts(instance.kafka, tuple(topic.name for topic in topics))
    return [_topic(topic, counts[topic.name], instance.partitions) for topic in topics]


def _topic(topic: Topic, count: int | None, partitions: int) -> Said:
    about = f"topic {topic.name}"
    if count is None:
        return _wrong(about, "is not there: run `chronos topics`")
    if topic.is_by_account and count != partitions:
        return _wrong(
            about, f"has {count} partitions, not {partitions}: the order per account is at risk"
        )
    return _fine(about, f"has {count} partitions")


async def _redis(instance: Instance) -> list[Said]:
    mirror = RedisMirror(instance.redis_url, instance.names)
    try:
        await mirror.ping()
    finally:
        await mirror.close()
    return [_fine("Redis", "answers")]


async def _elasticsearch(instance: Instance) -> list[Said]:
    mirror = ElasticsearchMirror(instance.elasticsearch_url, instance.names)
    try:
        await mirror.ping()
        entries = await mirror.entries.count()
    finally:
        await mirror.close()
    return [_fine("Elasticsearch", f"answers and has {entries:,} entries")]


async def _pipeline(instance: Instance) -> list[Said]:
    async with _impatient(instance) as client:
        stages: dict[str, dict[str, Any]] = (await client.views.pipeline())["stages"]
    return [_stage(name, stage) for name, stage in stages.items()]


def _stage(name: str, stage: dict[str, Any]) -> Said:
    about = f"stage {name}"
    if stage.get("status") != "ok":
        return _wrong(about, f"is {stage.get('status')}")
    events, seconds = stage.get("lag_events") or 0, stage.get("lag_seconds") or 0.0
    if events > LAG_EVENTS_MAX or seconds > LAG_SECONDS_MAX:
        return _wrong(about, f"is behind by {events:,} events, the oldest {seconds:.1f} s old")
    return _fine(about, "keeps up" if "lag_events" in stage else "answers")


def _impatient(instance: Instance) -> LedgerClient:
    return LedgerClient(
        instance.doors,
        connections_max=8,
        patience=Patience(deadline_s=ANSWER_DEADLINE_S, attempt_s=ANSWER_DEADLINE_S),
    )


def _fine(about: str, sentence: str) -> Said:
    return Said(is_fine=True, about=about, sentence=sentence)


def _wrong(about: str, sentence: str) -> Said:
    return Said(is_fine=False, about=about, sentence=sentence.rstrip("."))
