"""Reads of accounts with a short and a long history, through HTTP: does the time grow?

With one connection one request comes after the other: what is measured is the time of an
answer, not how many there are a second. The accounts are asked in turn, so that a busy moment
of the machine meets all of them. The moments asked for are drawn from the middle third of an
account's life.

At the end the longest account is stated whole, in both forms, while the memory of the API's
process is watched.
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

import aiohttp
import msgspec
from msgspec import structs

from chronos.audit.verify import verify
from chronos.bench.driving import run_load
from chronos.bench.load import Door, LoadPlan, Reads
from chronos.bench.long_accounts import EVENTS_A_DAY, LongAccount, fill
from chronos.bench.report import BenchFault, Report, Start
from chronos.client.doors import Doors
from chronos.clock import Clock
from chronos.store.bulk import open_bulk
from chronos.wire.codec import format_instant

TURNS: Final = 500
"""Rounds over the accounts, each with moments of its own, before the load repeats itself."""
PAGE_LINES: Final = 50
SEED: Final = 1
_ANY: Final = ""
_STREAM_DEADLINE_S: Final = 900.0
_WATCH_EVERY_S: Final = 0.25
_RESIDENT = re.compile(rb"^process_resident_memory_bytes ([0-9.e+]+)$", re.MULTILINE)

Paths = Callable[[LongAccount, random.Random], str]


class Side(Protocol):
    """What is measured: a command endpoint and the journal behind it."""

    @property
    def doors(self) -> Doors:
        """Where it answers, and a key."""
        ...

    @property
    def postgres_dsn(self) -> str:
        """The journal, as its owner sees it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPlan:
    """What to measure."""

    events: tuple[int, ...]
    """Lengths of the accounts, ascending."""
    seconds: float
    """Counted, for each kind of read."""
    warm_up_s: float
    connections: int
    rate: float | None


class ReadFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How long one kind of read took on one account."""

    read: str
    events: int
    answers: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class StreamFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One whole statement, and the greatest memory of the API's process meanwhile."""

    form: str
    lines: int
    seconds: float
    megabytes: float
    resident_before_mib: float
    resident_peak_mib: float


class HistoryReport(Report, frozen=True, kw_only=True):
    """The figures of one run."""

    reads: tuple[ReadFigures, ...]
    growth: dict[str, float]
    """Of each read: the median on the longest account by that on the shortest."""
    streams: tuple[StreamFigures, ...]
    failures: dict[str, int]
    """Everything that a healthy run has none of, by what it is."""


async def measure_history(
    side: Side, plan: HistoryPlan, *, clock: Clock, say: Callable[[str], None]
) -> HistoryReport:
    """Fills the accounts, proves the journal, and measures each read on each account.

    Raises:
        BenchFault: The journal is not proved, or the driver failed.
    """
    start = Start(clock)
    async with open_bulk(side.postgres_dsn) as bulk:
        accounts = await fill(bulk, plan.events, now=clock.now(), say=say)
    proof = await verify(side.postgres_dsn)
    say(proof.lines()[0])
    if not proof.is_clean:
        raise BenchFault("The journal is not what it must be: these figures mean nothing.")
    reads: list[ReadFigures] = []
    troubles: Counter[str] = Counter()
    for name, path in _reads(clock).items():
        result = await run_load(_load(side, plan, path, accounts))
        troubles.update(result.troubles)
        for account, group in zip(accounts, result.groups, strict=True):
            figures = ReadFigures(read=name, events=account.events, **structs.asdict(group))
            reads.append(figures)
            say(_line(figures))
    head = await start.head(
        "history",
        "reads of accounts by the length of their history, over HTTP",
        postgres_dsn=side.postgres_dsn,
        settings={
            "loop": "closed" if plan.rate is None else "open",
            "rate": plan.rate,
            "connections": plan.connections,
            "seconds": plan.seconds,
            "warm_up_s": plan.warm_up_s,
            "page_lines": PAGE_LINES,
            "events_a_day": EVENTS_A_DAY,
        },
    )
    return HistoryReport(
        **head,
        reads=tuple(reads),
        growth=_growth(reads),
        streams=tuple([await _stream(side, form, accounts[-1]) for form in ("json", "csv")]),
        failures=dict(troubles),
    )


def _reads(clock: Clock) -> dict[str, Paths]:
    yesterday = clock.now().date() - timedelta(days=1)

    def moment(account: LongAccount, chance: random.Random) -> str:
        life = account.last_at - account.first_at
        return format_instant(account.first_at + life * chance.uniform(1 / 3, 2 / 3))

    return {
        "balance": lambda account, _: f"{account.account_id}/balance",
        "balance at a moment": lambda account, chance: (
            f"{account.account_id}/balance?at={moment(account, chance)}"
        ),
        "balance for yesterday": lambda account, _: (
            f"{account.account_id}/balance?value_date={yesterday}"
        ),
        "statement, first page": lambda account, _: (
            f"{account.account_id}/statement?limit={PAGE_LINES}"
        ),
        "statement from a moment, first page": lambda account, chance: (
            f"{account.account_id}/statement?limit={PAGE_LINES}&from={moment(account, chance)}"
        ),
    }


def _load(
    side: Side, plan: HistoryPlan, path: Paths, accounts: Sequence[LongAccount]
) -> LoadPlan:
    chance = random.Random(SEED)  # noqa: S311 - repeatable chance, not secrets
    paths = tuple(
        f"/v1/accounts/{path(account, chance)}" for _ in range(TURNS) for account in accounts
    )
    return LoadPlan(
        doors=(Door.at(side.doors.command),),
        api_key=side.doors.api_key,
        work=Reads(paths=(paths,), mark=_ANY, groups=len(accounts)),
        connections=plan.connections,
        warm_up_s=plan.warm_up_s,
        seconds=plan.seconds,
        rate=plan.rate,
    )


async def _stream(side: Side, form: str, account: LongAccount) -> StreamFigures:
    """States an account whole and throws the bytes away."""
    path = f"{side.doors.command}/v1/accounts/{account.account_id}/statement"
    headers = {"Authorization": f"Bearer {side.doors.api_key}"}
    timeout = aiohttp.ClientTimeout(total=_STREAM_DEADLINE_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        before = peak = await _resident_mib(session, side)
        started_s, asked_s, size = time.perf_counter(), time.perf_counter(), 0
        async with session.get(path, params={"format": form}) as answer:
            async for piece, _ in answer.content.iter_chunks():
                size += len(piece)
                if time.perf_counter() - asked_s > _WATCH_EVERY_S:
                    peak = max(peak, await _resident_mib(session, side))
                    asked_s = time.perf_counter()
        seconds = time.perf_counter() - started_s
        peak = max(peak, await _resident_mib(session, side))
    return StreamFigures(
        form=form,
        lines=account.events - 1,
        seconds=round(seconds, 2),
        megabytes=round(size / 1e6, 1),
        resident_before_mib=before,
        resident_peak_mib=peak,
    )


async def _resident_mib(session: aiohttp.ClientSession, side: Side) -> float:
    async with session.get(f"{side.doors.command}/metrics") as answer:
        found = _RESIDENT.search(await answer.read())
    if found is None:
        raise BenchFault("The metrics do not tell the memory of the process.")
    return round(float(found[1]) / (1 << 20), 1)


def _growth(reads: list[ReadFigures]) -> dict[str, float]:
    medians: dict[str, list[float]] = {}
    for figures in reads:
        medians.setdefault(figures.read, []).append(figures.p50_ms)
    return {name: round(found[-1] / (found[0] or 1), 2) for name, found in medians.items()}


def _line(figures: ReadFigures) -> str:
    return (
        f"{figures.read}, {figures.events:,} events: p50 {figures.p50_ms:.2f} ms, "
        f"p99 {figures.p99_ms:.2f} ms"
    )
