"""Examines an instance: everything is asked at once, and nothing that is dead hides the rest.

Each part is a task with a deadline. What a part cannot find out is a finding itself: a server
that does not answer is said once, whoever met it. Nothing is changed anywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncGenerator, Iterable
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import aiohttp

from chronos.clock import Clock
from chronos.embedded.folder import DataFolder
from chronos.embedded.passwords import Passwords
from chronos.errors import ChronosError, Unavailable
from chronos.mirror.condition import read_redis_condition, read_search_condition
from chronos.store import cluster_identity, migrate, roles
from chronos.store.condition import read_postgres_condition
from chronos.store.outbox_layout import Layout, compare_on
from chronos.store.pool import Pool
from chronos.store.startup_checks import Demand, Duty, check
from chronos.stream.condition import count_records, read_kafka_condition
from chronos.watch.doctor.copies import judge_clock, judge_redis, judge_search
from chronos.watch.doctor.findings import Code, Finding, Severity, error, ok
from chronos.watch.doctor.flow import judge_dead_letters, judge_relay, judge_stages
from chronos.watch.doctor.kafka import ROLES, judge_kafka
from chronos.watch.doctor.machine import (
    judge_disk,
    judge_files,
    judge_port,
    judge_process,
)
from chronos.watch.doctor.postgres import judge_postgres
from chronos.watch.place import Place
from chronos.watch.process_table import read_usage
from chronos.watch.scraping import scrape
from chronos.watch.stages import Stages

PART_DEADLINE_S: Final = 10.0
CONNECT_DEADLINE_S: Final = 1.5
RELAY_PAUSE_S: Final = 1.5
POSTGRESQL: Final = "postgresql"
KAFKA: Final = "kafka"
REDIS: Final = "redis"
ELASTICSEARCH: Final = "elasticsearch"
_MEND: Final = {
    POSTGRESQL: "No command is taken until it answers.",
    KAFKA: "Commands go on and wait in the outbox; read models stand still.",
    REDIS: "Balances are read from the table meanwhile; Redis is refilled by itself.",
    ELASTICSEARCH: "History and search answer 503 meanwhile; the mirror goes on by itself.",
}
_SERVER_PIDS: Final = frozenset({"postgres", KAFKA, REDIS, ELASTICSEARCH})
"""The names by which a supervisor knows them; processes of Chronos tell their limits."""
_PORTS: Final = {"http": 80, "https": 443, "postgresql": 5432, "postgres": 5432, "redis": 6379}
_ORDER: Final = {severity: n for n, severity in enumerate(reversed(Severity))}


Findings = AsyncGenerator[Finding, None]


class _Part(NamedTuple):
    """One part of the examination."""

    about: str
    code: Code
    """Of the finding when the part fails for another reason than a server's silence."""
    findings: Findings


async def examine(place: Place, clock: Clock, *, lanes: int) -> tuple[Finding, ...]:
    """Examines an instance; gives the worst findings first.

    Args:
        place: The instance.
        clock: This machine's.
        lanes: Command transactions that its processes may have open at once.
    """
    parts = (
        _Part(POSTGRESQL, Code.SERVER, _postgres(place, clock)),
        _Part("schema", Code.SCHEMA, _schema(place)),
        _Part("history", Code.HISTORY, _history(place)),
        _Part("roles", Code.ROLE_SIGN_IN, _sign_ins(place, lanes)),
        _Part(KAFKA, Code.SERVER, _kafka(place, clock)),
        _Part("dead letters", Code.DEAD_LETTERS, _dead_letters(place)),
        _Part(REDIS, Code.SERVER, _redis(place, clock)),
        _Part(ELASTICSEARCH, Code.SERVER, _search(place, clock)),
        _Part("relay", Code.RELAY, _relay(place, clock)),
        _Part("lag", Code.LAG, _lag(place, clock)),
        _Part("processes", Code.PROCESS, _processes(place, clock)),
        _Part("ports", Code.PORT, _ports(place)),
        _Part("machine", Code.DISK, _machine(place)),
    )
    found: list[Finding] = []
    # What nobody foresaw is told like the rest: it is not to hide what the others found.
    ends = await asyncio.gather(
        *(_examine_part(part, found) for part in parts), return_exceptions=True
    )
    for part, end in zip(parts, ends, strict=True):
        if isinstance(end, Exception):
            found.append(_unforeseen(part, end))
        elif end is not None:
            raise end
    return _worst_first(found)


async def _examine_part(part: _Part, found: list[Finding]) -> None:
    """Adds what a part finds until it fails, and how it failed."""
    try:
        async with asyncio.timeout(PART_DEADLINE_S), contextlib.aclosing(part.findings):
            async for finding in part.findings:
                found.append(finding)  # noqa: PERF401 - what was found before a fault counts
    except TimeoutError:
        found.append(_silent(part, f"no answer within {PART_DEADLINE_S:g} s"))
    except Unavailable as fault:
        found.append(unreachable(fault.service, fault.detail))
    except (ChronosError, OSError) as fault:
        found.append(
            error(
                part.code,
                part.about,
                str(fault),
                "Mend what the sentence names, and ask again.",
            )
        )


def _unforeseen(part: _Part, end: Exception) -> Finding:
    """Finds that a part could not be examined, as with an address that is none."""
    kind = type(end).__name__
    return error(
        part.code,
        part.about,
        f"{part.about} could not be examined: {kind}: {end}",
        "See whether its address and the rights of its sign-in are as they should be.",
    )


def unreachable(service: str, detail: str) -> Finding:
    """Finds that a server does not answer."""
    return error(
        Code.SERVER,
        service,
        f"{service} does not answer: {detail}",
        f"Start it, or correct its address. {_MEND.get(service, '')}".strip(),
    )


def _silent(part: _Part, detail: str) -> Finding:
    if part.code is Code.SERVER:
        return unreachable(part.about, detail)
    return error(
        part.code,
        part.about,
        f"{part.about} could not be examined: {detail}",
        "See the findings on the servers, and ask again.",
    )


def _worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Keeps one finding for each thing, the worst of it."""
    kept: dict[tuple[Code, str], Finding] = {}
    for finding in findings:
        key = (finding.code, finding.about)
        if key not in kept or _ORDER[finding.severity] < _ORDER[kept[key].severity]:
            kept[key] = finding
    return tuple(sorted(kept.values(), key=lambda finding: _ORDER[finding.severity]))


async def _postgres(place: Place, clock: Clock) -> Findings:
    found = await read_postgres_condition(place.postgres_dsn, clock)
    version = found.settings.get("server_version", "?")
    yield _answers(POSTGRESQL, f"{_host(place.postgres_dsn)} (version {version})")
    for finding in judge_postgres(found):
        yield finding
    yield judge_clock(POSTGRESQL, found.clock)


async def _schema(place: Place) -> Findings:
    states = await migrate.status(place.postgres_dsn)
    missing = [f"{state.number:04}" for state in states if state.applied_at is None]
    newest = max((state.number for state in states), default=0)
    if missing:
        yield error(
            Code.SCHEMA,
            POSTGRESQL,
            f"the database lacks migration {', '.join(missing)}, and this version needs "
            f"{newest:04}: no process starts on it",
            "Run `chronos migrate up` as the owner of the database.",
        )
    else:
        yield ok(
            Code.SCHEMA, POSTGRESQL, f"the schema is at {newest:04}, as this version needs"
        )


async def _history(place: Place) -> Findings:
    pool = await Pool.open(
        place.postgres_dsn, application_name="chronos-doctor", connections_max=1
    )
    try:
        await cluster_identity.check_all(pool)
    finally:
        await pool.close()
    yield ok(Code.HISTORY, "history", "Kafka was fed from this very database")
    layout = Layout(partitions=place.partitions, shards=place.relay_shards)
    await compare_on(place.postgres_dsn, layout)


async def _sign_ins(place: Place, lanes: int) -> Findings:
    """Signs in as each role, as the processes do, and proves settings, rights and triggers."""
    path = None if place.data is None else DataFolder(place.data).run / "secrets.json"
    if path is None or not path.exists():
        said = "sign-ins were not tried: the roles' passwords are not on this machine"
        yield ok(Code.ROLE_SIGN_IN, "roles", said)
        return
    passwords = Passwords.kept(path)
    for role, password, duty in (
        (roles.WRITER, passwords.writer, Duty.WRITE),
        (roles.RELAY, passwords.relay, Duty.RELAY),
        (roles.READER, passwords.reader, Duty.READ),
    ):
        dsn = roles.role_dsn(place.postgres_dsn, role, password)
        try:
            await check(dsn, Demand(duty=duty, transactions_max=lanes))
        except Unavailable:
            raise
        except ChronosError as fault:
            yield error(
                Code.ROLE_SIGN_IN,
                role,
                f"a process that signs in as {role} would not start: {fault}",
                "Mend what the sentence names; running processes have not noticed yet.",
            )
        else:
            yield ok(Code.ROLE_SIGN_IN, role, f"{role} signs in, and a process may start as it")


async def _kafka(place: Place, clock: Clock) -> Findings:
    names = place.names
    found = await read_kafka_condition(
        place.kafka,
        [topic.name for topic in names.topics],
        [names.app_id(role) for role in ROLES],
        clock,
    )
    yield _answers(KAFKA, f"{place.kafka} ({found.brokers} broker{'s'[: found.brokers - 1]})")
    for finding in judge_kafka(
        found, names, partitions=place.partitions, relay_shards=place.relay_shards
    ):
        yield finding
    yield judge_clock(KAFKA, found.clock)


async def _dead_letters(place: Place) -> Findings:
    topic = place.names.dead_letters
    yield judge_dead_letters(topic, await count_records(place.kafka, topic))


async def _redis(place: Place, clock: Clock) -> Findings:
    found = await read_redis_condition(place.redis_url, clock)
    yield _answers(REDIS, _host(place.redis_url))
    for finding in judge_redis(found):
        yield finding
    yield judge_clock(REDIS, found.clock)


async def _search(place: Place, clock: Clock) -> Findings:
    found = await read_search_condition(place.elasticsearch_url, place.names, clock)
    yield _answers(ELASTICSEARCH, _host(place.elasticsearch_url))
    for finding in judge_search(found):
        yield finding
    yield judge_clock(ELASTICSEARCH, found.clock)


async def _relay(place: Place, clock: Clock) -> Findings:
    async with Stages(place, clock) as stages:
        before = await stages.state()
        await asyncio.sleep(RELAY_PAUSE_S)
        after = await stages.state()
    found = await read_postgres_condition(place.postgres_dsn, clock)
    held = found.held_shards
    for finding in judge_relay(before, after, held=held, now=found.clock.theirs):
        yield finding


async def _lag(place: Place, clock: Clock) -> Findings:
    async with Stages(place, clock) as stages:
        for finding in judge_stages(await stages.ask()):
            yield finding


async def _processes(place: Place, clock: Clock) -> Findings:
    async with aiohttp.ClientSession() as session:
        asked = (scrape(session, process, clock) for process in place.processes)
        for said in await asyncio.gather(*asked):
            for finding in judge_process(said):
                yield finding


async def _ports(place: Place) -> Findings:
    doors = {_host(place.command): "the command API"}
    doors |= {_host(url): "a balances worker" for url in place.queries}
    if place.grpc:
        doors[place.grpc] = "the gRPC door"
    answers = await asyncio.gather(*(_listens(address) for address in doors))
    for (address, purpose), listens in zip(doors.items(), answers, strict=True):
        yield judge_port(purpose, address, listens=listens)


async def _machine(place: Place) -> Findings:
    for name, usage in read_usage(place.pids_now()).items():
        if name in _SERVER_PIDS and usage.open_files_max is not None:
            yield judge_files(name, None, usage.open_files_max)
    if place.data is None:
        return
    stand_in = DataFolder(place.data).stand_in
    for folder in (place.data, *((stand_in,) if stand_in else ())):
        disk = shutil.disk_usage(folder)
        yield judge_disk(folder, free_bytes=disk.free, total_bytes=disk.total)


async def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with contextlib.suppress(OSError, TimeoutError, ValueError):
        async with asyncio.timeout(CONNECT_DEADLINE_S):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
            writer.close()
            return True
    return False


def _answers(server: str, where: str) -> Finding:
    return ok(Code.SERVER, server, f"{server} answers at {where}")


def _host(url: str) -> str:
    """Gives host and port of an address without its password."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port or _PORTS.get(parts.scheme, 0)}"
    except ValueError:
        return "an address that cannot be read"
