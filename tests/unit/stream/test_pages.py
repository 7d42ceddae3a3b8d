"""Up to where a partition may be committed, whatever order its pages are done in."""

from types import SimpleNamespace

from faust.types import TP

from chronos.stream.pages import PageOffsets, Undelivered, split

HERE, THERE = TP("events", 0), TP("events", 1)


def page(offset, tp=HERE, records=1):
    return SimpleNamespace(tp=tp, offset=offset, acked=False, value=[None] * records)


def handed(*offsets, tp=HERE):
    offsets_kept = PageOffsets()
    pages = [page(offset, tp) for offset in offsets]
    for one in pages:
        offsets_kept.hand_out(one)
    return offsets_kept, pages


def test_the_offset_behind_the_last_record_of_a_page_is_committable():
    offsets, (first, second) = handed(9, 25)

    assert offsets.committable(HERE) is None
    offsets.acknowledge(first)
    assert offsets.committable(HERE) == 10
    offsets.acknowledge(second)
    assert offsets.committable(HERE) == 26


def test_an_open_page_is_never_passed():
    offsets, (first, second, third) = handed(9, 25, 30)

    offsets.acknowledge(second)
    offsets.acknowledge(third)
    assert offsets.committable(HERE) is None

    offsets.acknowledge(first)
    assert offsets.committable(HERE) == 31


def test_a_partition_has_room_until_so_many_records_of_it_are_under_way():
    offsets = PageOffsets()
    first, second = page(9, records=6), page(25, records=4)
    for one in (first, second):
        offsets.hand_out(one)

    assert offsets.with_room([HERE, THERE], 10) == {THERE}
    assert offsets.with_room([HERE], 11) == {HERE}
    offsets.acknowledge(second)
    assert offsets.with_room([HERE], 10) == {HERE}
    offsets.forget([HERE])
    offsets.acknowledge(first)
    assert offsets.with_room([HERE], 1) == {HERE}


def test_partitions_do_not_wait_for_each_other():
    offsets, _ = handed(9)
    other = page(3, THERE)
    offsets.hand_out(other)

    offsets.acknowledge(other)

    assert list(offsets.partitions()) == [THERE]
    assert offsets.committable(THERE) == 4


def test_a_page_of_an_ended_assignment_moves_nothing_even_if_it_looks_like_a_new_one():
    offsets, (old,) = handed(9)
    offsets.forget([HERE])
    new = page(9)
    offsets.hand_out(new)

    assert offsets.acknowledge(old) is False
    assert offsets.committable(HERE) is None
    assert offsets.acknowledge(new) is True
    assert offsets.committable(HERE) == 10


def test_only_source_topics_are_paged():
    pages, others = split({HERE: [1, 2], TP("changelog", 0): [3]}, frozenset({"events"}))

    assert pages == {HERE: [1, 2]}
    assert others == {TP("changelog", 0): [3]}


def records(*offsets):
    return [SimpleNamespace(offset=offset) for offset in offsets]


def test_what_was_not_handed_on_is_left_to_be_read_again():
    undelivered = Undelivered({HERE: records(3, 4, 9), THERE: records(7, 8)})

    undelivered.hand_on(HERE, 4)
    undelivered.hand_on(THERE, 8)

    assert undelivered.left() == {HERE: (5, 10)}


def test_all_of_a_fetch_that_came_too_late_is_left():
    assert Undelivered({HERE: records(0, 1)}).left() == {HERE: (0, 2)}
