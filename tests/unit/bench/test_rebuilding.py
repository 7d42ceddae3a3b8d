"""A journal of any size is filled with different accounts that add up to about that size."""

import pytest

from chronos.bench.rebuilding import lengths_for


@pytest.mark.parametrize("events", [1_000, 10_000, 100_000, 1_000_000, 10_000_000])
def test_lengths_differ_and_add_up(events):
    lengths = lengths_for(events)

    assert len(set(lengths)) == len(lengths)
    assert min(lengths) >= 2
    assert abs(2 * sum(lengths) - events) <= events / 100


def test_a_million_events_have_a_thousand_accounts():
    lengths = lengths_for(1_000_000)

    assert 2 * len(lengths) == 1_000
    assert (min(lengths), max(lengths)) == (750, 1249)
