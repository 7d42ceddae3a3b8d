"""The figures of an instance, from two scrapes of each of its processes. Pure.

Names are taken from the metrics themselves, so that a metric that is renamed is renamed here.
Rates are added up over processes; latencies come of the buckets of all of them together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from prometheus_client import Counter, Gauge, Histogram

from chronos.telemetry import balances_metrics, metrics, mirror_metrics, rpc_metrics
from chronos.telemetry import stream_metrics as stream
from chronos.watch.rates import Between, buckets_of, quantile
from chronos.watch.scraping import Scrape

TRANSFER_EVENT: Final = "MoneyWithdrawn"
"""Each transfer has one, however it came: by itself, in a batch, of a captured hold."""
_COMMAND_METHOD: Final = "POST"
_RPC_READS: Final = frozenset({"GetBalance", "StreamEvents"})


def name_of(metric: Counter | Gauge | Histogram) -> str:
    """Gives the name of a metric's samples: of a histogram, its buckets'."""
    (family,) = metric.describe()
    endings = {"counter": "_total", "histogram": "_bucket"}
    return str(family.name) + endings.get(family.type, "")


# By these a process is known, before it has counted anything: an API has been asked for its
# metrics at least, a relay says of its shards whether it holds them.
_OF_API: Final = name_of(metrics.HTTP_REQUEST_SECONDS)
_OF_RELAY: Final = name_of(stream.RELAY_SHARD_OWNED)


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Commands that a business rule refused, by its code."""

    code: str
    per_s: float | None
    total: int
    """Since the processes began."""


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """What the write side does now; None where nobody knows yet."""

    transfers_per_s: float | None = None
    events_per_s: float | None = None
    commands_per_s: float | None = None
    refused_per_s: float | None = None
    published_per_s: float | None = None
    """Rows of the outbox that Kafka took."""
    p50_ms: float | None = None
    """Of commands, over HTTP and gRPC, from the request's head to its answer."""
    p99_ms: float | None = None
    pending: int = 0
    """Commands that wait for their transaction."""


class Oddities(msgspec.Struct, frozen=True, kw_only=True):
    """What should be rare, counted since the processes began."""

    duplicates: int
    """Events that came again and were passed over."""
    gaps: int
    """Gaps of an account's versions that were filled from PostgreSQL."""
    undecodable: int
    dead_letters: int
    """Foreign records that were set aside by these processes."""
    retries: int
    """Command transactions that were run again."""


def traffic(pairs: Sequence[Between], scrapes: Iterable[Scrape]) -> Traffic:
    """Gives the traffic between two looks."""
    known = [pair for pair in pairs if pair.is_known]
    api = [pair for pair in known if pair.has(_OF_API)]
    relay = [pair for pair in known if pair.has(_OF_RELAY)]
    # The relay books too: it expires holds. Without an API that says little, though.
    books = [*api, *relay] if api else []
    events, commands = name_of(metrics.APPEND_EVENTS), name_of(metrics.COMMANDS)
    buckets = _latency(known)
    return Traffic(
        transfers_per_s=_rate(api, events, type=TRANSFER_EVENT),
        events_per_s=_rate(books, events),
        commands_per_s=_rate(api, commands),
        refused_per_s=_rate(api, name_of(metrics.REJECTIONS)),
        published_per_s=_rate(relay, name_of(stream.OUTBOX_ROWS_PUBLISHED)),
        p50_ms=_ms(quantile(0.5, buckets)),
        p99_ms=_ms(quantile(0.99, buckets)),
        pending=_sum(scrapes, name_of(metrics.COMMANDS_PENDING)),
    )


def refusals(pairs: Sequence[Between], scrapes: Iterable[Scrape]) -> tuple[Refusal, ...]:
    """Gives the refusals by code, the most frequent now first."""
    name = name_of(metrics.REJECTIONS)
    totals: dict[str, float] = {}
    for scrape in scrapes:
        for (known, labels), value in scrape.samples.items():
            if known == name:
                code = dict(labels).get("code", "")
                totals[code] = totals.get(code, 0.0) + value
    pairs = [pair for pair in pairs if pair.is_known]
    found = [
        Refusal(code=code, per_s=_rate(pairs, name, code=code), total=int(total))
        for code, total in totals.items()
    ]
    return tuple(sorted(found, key=lambda one: (-(one.per_s or 0.0), -one.total, one.code)))


def oddities(scrapes: Sequence[Scrape]) -> Oddities:
    """Gives what should be rare."""
    balances = name_of(balances_metrics.BALANCE_EVENTS)
    documents = name_of(mirror_metrics.MIRROR_DOCUMENTS)
    return Oddities(
        duplicates=_sum(scrapes, balances, outcome="duplicate")
        + _sum(scrapes, documents, outcome="already_applied"),
        gaps=_sum(scrapes, name_of(balances_metrics.GAPS_REPAIRED)),
        undecodable=_sum(scrapes, name_of(stream.UNDECODABLE)),
        dead_letters=_sum(scrapes, name_of(stream.DEAD_LETTERS)),
        retries=_sum(scrapes, name_of(metrics.APPEND_RETRIES)),
    )


def _rate(pairs: Iterable[Between], name: str, **labels: str) -> float | None:
    """Adds up a counter's growth a second over processes; None without any."""
    rates = [pair.total(name, **labels) / pair.span_s for pair in pairs]
    return round(sum(rates), 3) if rates else None


def _latency(pairs: Iterable[Between]) -> dict[float, float]:
    http, rpc = name_of(metrics.HTTP_REQUEST_SECONDS), name_of(rpc_metrics.RPC_SECONDS)
    grown = []
    for pair in pairs:
        grown += [
            one
            for one in pair.by_labels(http).items()
            if dict(one[0]).get("method") == _COMMAND_METHOD
        ]
        grown += [
            one
            for one in pair.by_labels(rpc).items()
            if dict(one[0]).get("method") not in _RPC_READS
        ]
    return buckets_of(grown)


def _sum(scrapes: Iterable[Scrape], name: str, **labels: str) -> int:
    wanted = set(labels.items())
    return int(
        sum(
            value
            for scrape in scrapes
            for (known, found), value in scrape.samples.items()
            if known == name and wanted.issubset(found)
        )
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)
