"""A report as a run makes it, for those who show or judge one."""

from __future__ import annotations

import math
import random

import msgspec

from chronos.chaos.fault import Injection, LeftOut
from chronos.chaos.profile import SMOKE
from chronos.chaos.report import Counts, Mark, Report
from chronos.chaos.sampling import Lag, Sample
from chronos.chaos.verdict import Verdict, verdict
from chronos.chaos.wounds import Timed

BEGUN_NS = 5_000_000_000_000
S = 1_000_000_000
LOAD_S, ENDED_S = 195, 262

FAULTS = (
    ("T1", "the API is killed", ("api",), 16, 5, 4.2),
    ("T4", "Kafka is killed", ("kafka",), 27, 11, 6.1),
    ("T7", "Redis is emptied", ("redis",), 31, 3, 2.0),
    ("T2", "PostgreSQL is killed", ("postgres",), 47, 6, 5.5),
    ("T8", "Elasticsearch is paused", ("elasticsearch",), 58, 12, 3.0),
    ("T5", "the relay is paused beyond its lease", ("relay",), 65, 10, 4.4),
    ("T6", "the balances worker is killed", ("balances",), 84, 4, 9.0),
    ("T9", "the API cannot reach PostgreSQL", ("api", "postgres"), 97, 5, 0.3),
    ("T3", "writers' connections are ended", ("postgres",), 109, 3, 0.4),
    ("T7", "Redis is killed", ("redis",), 113, 8, 3.3),
    ("T11", "the clock of the relay jumps", ("relay",), 126, 6, 0.1),
    ("T13", "one after the other is clogged", ("api", "relay", "balances"), 139, 11, 5.0),
    ("T9", "a slow link between the relay and Kafka", ("relay", "kafka"), 163, 12, 1.0),
    ("T15", "2,000 slow connections", ("api",), 180, 10, 1.0),
    ("T12", "everything derived is lost", ("kafka", "redis", "elasticsearch"), 214, 2, 24),
)
PROMISES = (
    "every transfer and the whole bank sum to zero in each currency",
    "every snapshot read under faults sums to the total",
    "what was acknowledged is stored, with the same body",
    "what is stored was asked for, and was not refused",
    "every account's versions run without a gap",
    "Kafka has every event, in order of its account, and no other",
    "every read model equals the journal, and never showed a state that never was",
    "the write side is strictly serialisable in real time",
    "one key has one effect, and one answer byte for byte",
    "no account was ever below its limit",
    "the journal proves itself",
    "no fault outside the write side disturbs a write",
)


def injections() -> tuple[Injection, ...]:
    return tuple(
        Injection(
            kind=kind,
            name=name,
            hits=hits,
            begun_ns=BEGUN_NS + int(begin * S),
            healing_ns=BEGUN_NS + int((begin + lasting) * S),
            ended_ns=BEGUN_NS + int((begin + lasting + healing) * S),
            note=f"pid {1000 + begin}; back after {healing} s",
        )
        for kind, name, hits, begin, lasting, healing in FAULTS
    )


def verdicts() -> tuple[Verdict, ...]:
    return tuple(
        verdict(f"C{n}", promise, looked_at=1000 * n, violations=())
        for n, promise in enumerate(PROMISES, 1)
    )


def samples() -> tuple[Sample, ...]:
    chance = random.Random(4)
    taken = []
    for second in range(1, LOAD_S + 20):
        hurt = {
            hit
            for _, _, hits, begin, lasting, healing in FAULTS
            if begin <= second < begin + lasting + healing
            for hit in hits
        }
        is_down = bool(hurt & {"api", "postgres"}) or second > LOAD_S
        rate = 0 if is_down else int(95 + 25 * chance.random())
        slow = 2.5 if is_down else 1.0
        taken.append(
            Sample(
                at_ns=BEGUN_NS + second * S,
                seconds=1.0,
                transfers=rate,
                settled=rate * 2,
                unknown=16 if is_down and second < LOAD_S else 0,
                p50_ms=None if rate == 0 else 11 * slow + chance.random(),
                p99_ms=None if rate == 0 else 45 * slow * (1 + 4 * chance.random() ** 6),
                lags=_lags(second, hurt, chance),
            )
        )
    return tuple(taken)


def _lags(second: int, hurt: set[str], chance: random.Random) -> dict[str, Lag]:
    if "balances" in hurt:
        return {"outbox": Lag(events=3, seconds=0.02)}
    stalled = 8 * (1 + math.sin(second)) if hurt else 0.4 * chance.random()
    lags = {"outbox": Lag(events=int(stalled * 90), seconds=round(stalled, 3))}
    if "kafka" not in hurt:
        for name in ("balances", "entries", "accounts"):
            behind = stalled * (2 if "elasticsearch" in hurt and name != "balances" else 0.5)
            lags[name] = Lag(events=int(behind * 200), seconds=round(behind + 0.2, 3))
    if "redis" not in hurt:
        lags["redis"] = Lag(events=int(stalled * 20), seconds=round(stalled / 4, 3))
    return lags


def report(**changes) -> Report:
    """A run in which all promises held, but for the changes."""
    whole = Report(
        seed=42,
        profile=SMOKE,
        only=(),
        commit="0123456789ab",
        machine={"processors": 2, "memory_mib": 7961, "python": "3.11.7"},
        started_at="2026-01-02T03:04:05Z",
        begun_ns=BEGUN_NS,
        ended_ns=BEGUN_NS + ENDED_S * S,
        marks=(
            Mark(at_ns=BEGUN_NS + 15 * S, text="faults begin"),
            Mark(at_ns=BEGUN_NS + LOAD_S * S, text="load ends"),
            Mark(at_ns=BEGUN_NS + 208 * S, text="all quiet"),
        ),
        counts=Counts(
            operations={
                "open": {"ok": 74},
                "transfer": {"ok": 17_204, "fail": 961, "info": 2},
                "snapshot": {"ok": 3_301, "info": 120},
                "retry": {"ok": 1_502, "fail": 80},
            },
            attempts=24_310,
        ),
        wanted=("T1", "T2", "T10"),
        injections=injections(),
        left_out=(
            LeftOut(kind="T10", name="the disk is full", reason="tmpfs cannot be mounted here"),
        ),
        verdicts=verdicts(),
        samples=samples(),
        promises=(
            Timed(
                promise="the API, killed, is ready again",
                within_s=5.0,
                waits=3,
                late=1,
                slowest_s=6.2,
            ),
            Timed(
                promise="Redis is as new as the journal was",
                within_s=60.0,
                waits=9,
                late=0,
                slowest_s=1.5,
            ),
        ),
    )
    return msgspec.structs.replace(whole, **changes)
