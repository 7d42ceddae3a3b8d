"""Who keeps which partition is known once each has exactly one keeper."""

from chronos.bench.keepers import agreed

A, B = "http://a", "http://b"


def test_each_partition_has_the_worker_in_whose_table_it_is():
    sources = {A: {0: "table", 1: "redis"}, B: {0: "redis", 1: "table"}}

    assert agreed(sources) == {0: A, 1: B}


def test_a_worker_that_is_being_rearranged_settles_nothing():
    assert agreed({A: {0: "redis", 1: "redis"}, B: {0: "redis", 1: "table"}}) is None
    assert agreed({A: {0: "table", 1: "redis"}, B: {0: "redis", 1: "503"}}) is None


def test_two_keepers_or_a_worker_with_nothing_are_a_group_that_is_not_settled():
    assert agreed({A: {0: "table", 1: "table"}, B: {0: "table", 1: "redis"}}) is None
    assert agreed({A: {0: "table", 1: "table"}, B: {0: "redis", 1: "redis"}}) is None


def test_one_worker_keeps_all():
    assert agreed({A: {0: "table", 1: "table"}}) == {0: A, 1: A}
