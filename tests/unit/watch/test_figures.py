"""Figures from scrapes of the real metrics, and their names against the registry."""

from __future__ import annotations

import pytest

from chronos.telemetry import (
    balances_metrics,
    metrics,
    mirror_metrics,
    rpc_metrics,
    stream_metrics,
)
from chronos.watch.figures import name_of, oddities, refusals, traffic
from chronos.watch.place import ProcessAddress, named_processes
from chronos.watch.rates import Between
from chronos.watch.scraping import Scrape, State, parse_samples

HTTP = name_of(metrics.HTTP_REQUEST_SECONDS)
READ = (
    metrics.APPEND_EVENTS,
    metrics.COMMANDS,
    metrics.REJECTIONS,
    metrics.APPEND_RETRIES,
    metrics.COMMANDS_PENDING,
    metrics.HTTP_REQUEST_SECONDS,
    rpc_metrics.RPC_SECONDS,
    balances_metrics.BALANCE_EVENTS,
    balances_metrics.GAPS_REPAIRED,
    mirror_metrics.MIRROR_DOCUMENTS,
    stream_metrics.OUTBOX_ROWS_PUBLISHED,
    stream_metrics.RELAY_SHARD_OWNED,
    stream_metrics.UNDECODABLE,
    stream_metrics.DEAD_LETTERS,
)


def said(name: str, at_s: float, text: str, *, started: int = 1000) -> Scrape:
    body = f"process_start_time_seconds {started}\n{text}\n"
    process = ProcessAddress(name=name, url=f"http://{name}")
    samples = parse_samples(body.encode())
    return Scrape(process=process, at_s=at_s, state=State.READY, samples=samples)


def api(name: str, at_s: float, *, moved: int, refused: int = 0, started: int = 1000) -> Scrape:
    bucket = f'{HTTP}{{method="POST",route="/v1/transfers",le='
    read = f'{HTTP}{{method="GET",route="/v1/accounts",le='
    text = f"""
chronos_append_events_total{{type="MoneyWithdrawn"}} {moved}
chronos_append_events_total{{type="MoneyDeposited"}} {moved}
chronos_commands_total{{command="TransferFunds",outcome="booked"}} {moved}
chronos_rejections_total{{code="insufficient_funds"}} {refused}
chronos_commands_pending 2
{bucket}"0.01"}} {moved // 2}
{bucket}"0.1"}} {moved}
{bucket}"+Inf"}} {moved}
{read}"0.01"}} 0
{read}"+Inf"}} {moved * 100}
"""
    return said(name, at_s, text, started=started)


def test_every_name_is_one_that_a_registry_exposes():
    exposed = {
        sample
        for family in metrics.REGISTRY.collect()
        for sample in (family.name, f"{family.name}_total", f"{family.name}_bucket")
    }

    assert {name_of(metric) for metric in READ} <= exposed
    assert name_of(metrics.REJECTIONS) == "chronos_rejections_total"
    assert HTTP == "chronos_http_request_seconds_bucket"


def test_rates_are_added_up_over_processes_each_by_its_own_span():
    pairs = [
        Between(api("api-0", 10.0, moved=0), api("api-0", 12.0, moved=200)),
        Between(api("api-1", 10.0, moved=50), api("api-1", 11.0, moved=80)),
    ]

    now = traffic(pairs, [api("api-0", 12.0, moved=200), api("api-1", 11.0, moved=80)])

    assert (now.transfers_per_s, now.events_per_s, now.commands_per_s) == (130, 260, 130)
    assert now.pending == 4
    assert now.p50_ms == pytest.approx(10.0)
    assert 90 < now.p99_ms <= 100


def test_reads_are_no_commands():
    pair = Between(api("api-0", 1.0, moved=0), api("api-0", 2.0, moved=0))

    assert traffic([pair], []).p99_ms is None


def test_a_restart_gives_neither_a_negative_nor_a_giant_rate():
    pair = Between(
        api("api-0", 1.0, moved=5_000_000), api("api-0", 2.0, moved=30, started=2000)
    )

    now = traffic([pair], [])

    assert (now.transfers_per_s, now.events_per_s) == (30, 60)


def test_without_an_api_that_answered_twice_nothing_is_known():
    worker = Between(said("relay", 1.0, "x 1"), said("relay", 2.0, "x 1"))

    now = traffic([worker], [])

    assert (now.transfers_per_s, now.published_per_s, now.p50_ms) == (None, None, None)


def test_an_api_that_has_counted_nothing_yet_does_nothing():
    idle = f'{HTTP}{{method="GET",route="/metrics",le="+Inf"}} 1'
    pair = Between(said("api-0", 1.0, idle), said("api-0", 2.0, idle))

    now = traffic([pair], [])

    assert (now.transfers_per_s, now.refused_per_s) == (0, 0)


def test_refusals_are_told_by_code_the_most_frequent_first():
    before = 'chronos_rejections_total{code="a"} 900\nchronos_rejections_total{code="b"} 1'
    after = 'chronos_rejections_total{code="a"} 900\nchronos_rejections_total{code="b"} 5'
    now = said("api-0", 3.0, after)

    found = refusals([Between(said("api-0", 1.0, before), now)], [now])

    assert [(one.code, one.per_s, one.total) for one in found] == [
        ("b", 2.0, 5),
        ("a", 0.0, 900),
    ]


def test_oddities_are_added_up_over_workers():
    text = """
chronos_balance_events_total{outcome="duplicate"} 3
chronos_balance_events_total{outcome="applied"} 900
chronos_mirror_documents_total{index="entries",outcome="already_applied"} 4
chronos_balance_gaps_repaired_total 2
chronos_stream_dead_letters_total{agent="balances"} 1
"""

    odd = oddities([said("balances", 1.0, text), said("balances-2", 1.0, text)])

    assert (odd.duplicates, odd.gaps, odd.dead_letters, odd.retries) == (14, 4, 2, 0)


def test_processes_are_named_by_the_order_in_which_up_writes_them():
    ports = (8090, 8091, 6266, 6066, 6067, 6166)
    urls = tuple(f"http://h:{port}/metrics" for port in ports)

    named = named_processes(urls, "http://h:6066")
    foreign = named_processes(urls[:2], "http://h:6066")

    assert [one.name for one in named] == [
        "api-0",
        "api-1",
        "relay",
        "balances",
        "balances-2",
        "mirror",
    ]
    assert named[2].url == "http://h:6266"
    assert [one.name for one in foreign] == ["process-0", "process-1"]
