"""What counters did between two scrapes, restarts included."""

from __future__ import annotations

import math

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import generate_latest

from chronos.watch.place import ProcessAddress
from chronos.watch.rates import Between, buckets_of, quantile
from chronos.watch.scraping import Scrape, State, parse_samples

API = ProcessAddress(name="api-0", url="http://127.0.0.1:8090")


def scrape(at_s: float, value: float | None, *, started: float = 1000.0) -> Scrape:
    samples = {("process_start_time_seconds", ()): started}
    if value is not None:
        samples[("n_total", (("code", "a"),))] = value
    return Scrape(process=API, at_s=at_s, state=State.READY, samples=samples)


def test_growth_is_the_difference():
    assert Between(scrape(1, 10), scrape(3, 16)).total("n_total") == 6


def test_a_counter_that_was_not_there_began_at_nothing():
    assert Between(scrape(1, None), scrape(3, 16)).total("n_total") == 16


@pytest.mark.parametrize("now", [0.0, 5.0, 999_999.0])
def test_a_process_that_began_anew_counts_from_nothing(now):
    pair = Between(scrape(1, 1_000_000), scrape(3, now, started=2000.0))

    assert pair.restarted
    assert pair.total("n_total") == now


def test_a_counter_that_went_back_counts_from_nothing():
    pair = Between(scrape(1, 1_000_000), scrape(3, 7))

    assert not pair.restarted
    assert pair.total("n_total") == 7


def test_a_restarted_process_that_overtook_its_old_count_is_no_small_growth():
    assert Between(scrape(1, 10), scrape(3, 12, started=2000.0)).total("n_total") == 12


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (scrape(1, 1), scrape(1.01, 5)),
        (Scrape(process=API, at_s=1, state=State.SILENT), scrape(3, 5)),
        (scrape(1, 5), Scrape(process=API, at_s=3, state=State.SILENT)),
    ],
)
def test_looks_that_are_too_close_or_empty_say_nothing(before, after):
    assert not Between(before, after).is_known


def test_labels_choose_series():
    pair = Between(scrape(1, 10), scrape(3, 16))

    assert pair.total("n_total", code="a") == 6
    assert pair.total("n_total", code="b") == 0


def test_a_quantile_lies_inside_of_its_bucket():
    buckets = {0.1: 50.0, 0.2: 100.0, math.inf: 100.0}

    assert quantile(0.5, buckets) == pytest.approx(0.1)
    assert quantile(0.75, buckets) == pytest.approx(0.15)


def test_a_quantile_past_the_last_bound_is_that_bound():
    assert quantile(0.99, {0.1: 1.0, math.inf: 100.0}) == 0.1


@pytest.mark.parametrize("buckets", [{}, {0.1: 0.0, math.inf: 0.0}])
def test_without_observations_there_is_no_quantile(buckets):
    assert quantile(0.5, buckets) is None


def test_what_our_own_metrics_write_is_read():
    registry = CollectorRegistry()
    Counter("n", "N.", ("code",), registry=registry).labels('a"\n').inc(3)
    times = Histogram("t_seconds", "T.", buckets=(0.1, 0.2), registry=registry)
    times.observe(0.15)

    samples = parse_samples(generate_latest(registry))

    assert samples["n_total", (("code", 'a"\n'),)] == 3
    of_times = [
        (labels, n) for (name, labels), n in samples.items() if name.endswith("_bucket")
    ]
    assert buckets_of(of_times) == {0.1: 0.0, 0.2: 1.0, math.inf: 1.0}


def test_what_is_no_finite_number_is_left_out():
    assert parse_samples(b"a NaN\nb +Inf\nc 1\n") == {("c", ()): 1.0}


@pytest.mark.parametrize("body", [b"\xff\xfe", b"a{b 1\n", b"a one\n"])
def test_nonsense_is_a_value_error(body):
    with pytest.raises(ValueError):  # noqa: PT011 - each parser's own words
        parse_samples(body)
