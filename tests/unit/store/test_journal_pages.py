"""Stretches of events are cut into pages of a bounded size, none lost and none twice."""

from chronos.store.journal_pages import Stretch, parts_of


def test_short_stretches_share_a_page_and_long_ones_are_cut():
    parts = list(parts_of([Stretch("b", 0, 7), Stretch("a", 2, 4), Stretch("c", 5, 5)], 5))

    assert parts == [
        [Stretch("a", 2, 4), Stretch("b", 0, 3)],
        [Stretch("b", 3, 7)],
    ]


def test_every_event_is_in_exactly_one_page():
    stretches = [Stretch(f"a{number:02}", number % 3, number) for number in range(40)]

    parts = list(parts_of(stretches, 6))

    sizes = [sum(one.upto - one.after for one in part) for part in parts]
    named = [
        (one.account_id, version)
        for part in parts
        for one in part
        for version in range(one.after + 1, one.upto + 1)
    ]
    assert all(size == 6 for size in sizes[:-1])
    assert 0 < sizes[-1] <= 6
    assert named == [
        (one.account_id, version)
        for one in stretches
        for version in range(one.after + 1, one.upto + 1)
    ]
    assert all(len({one.account_id for one in part}) == len(part) for part in parts)


def test_nothing_missing_is_no_page():
    assert list(parts_of([Stretch("a", 4, 4)], 5)) == []
