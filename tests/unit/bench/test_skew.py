"""Skews: who is drawn how often, and never twice in one transfer."""

import random
from collections import Counter
from itertools import islice

import pytest

from chronos.bench.skew import HOT, Skew, pairs, places

DRAWS = 20_000
ACCOUNTS = 50


def drawn(draw):
    return list(islice(iter(draw, None), DRAWS))


@pytest.mark.parametrize("skew", Skew)
@pytest.mark.parametrize("count", [2, 3, ACCOUNTS])
def test_a_pair_is_two_different_accounts_that_exist(skew, count):
    draw = pairs(skew, count, random.Random(1))

    assert all(
        payer != paid and 0 <= payer < count and 0 <= paid < count
        for payer, paid in drawn(draw)
    )


@pytest.mark.parametrize("skew", Skew)
def test_the_same_seed_draws_the_same(skew):
    first, second = (drawn(pairs(skew, ACCOUNTS, random.Random(7))) for _ in range(2))

    assert first == second


def test_uniform_names_all_accounts_alike():
    counts = Counter(place for pair in drawn(pairs(Skew.UNIFORM, ACCOUNTS, random.Random(1)))
                     for place in pair)  # fmt: skip

    usual = 2 * DRAWS / ACCOUNTS
    assert len(counts) == ACCOUNTS
    assert all(0.8 * usual < count < 1.2 * usual for count in counts.values())


def test_zipf_names_the_second_about_half_as_often_as_the_first():
    counts = Counter(drawn(places(Skew.ZIPF, ACCOUNTS, random.Random(1))))

    assert len(counts) == ACCOUNTS
    assert 0.45 < counts[1] / counts[0] < 0.56  # 2 to the power of -0.99 is 0.503
    assert 0.08 < counts[9] / counts[0] < 0.13  # 10 to the power of -0.99 is 0.102


def test_one_hot_is_paid_by_every_other():
    found = drawn(pairs(Skew.ONE_HOT, ACCOUNTS, random.Random(1)))

    assert {paid for _, paid in found} == {HOT}
    assert {payer for payer, _ in found} == set(range(1, ACCOUNTS))
    assert set(drawn(places(Skew.ONE_HOT, ACCOUNTS, random.Random(1)))) == {HOT}
