"""Identifiers of the system: shape and order."""

import os
import re
import time
import uuid

from chronos.clock import SystemIds

IDS = SystemIds()
_CHANCE = [place for place in range(76) if place not in (62, 63)]


def _number(letters: str) -> int:
    value = 0
    for letter in letters:
        value = value * 32 + "0123456789abcdefghjkmnpqrstvwxyz".index(letter)
    return value


def test_an_event_id_is_a_uuid_of_version_7():
    for _ in range(100):
        parsed = uuid.UUID(IDS.event_id())
        assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)


def test_ids_do_not_repeat():
    assert len({IDS.event_id() for _ in range(10_000)}) == 10_000
    assert len({IDS.new_id("trf_") for _ in range(10_000)}) == 10_000


def test_a_new_id_is_a_prefix_and_26_characters_of_base32():
    assert re.fullmatch(r"acc_[0-9a-hjkmnp-tv-z]{26}", IDS.new_id("acc_"))


def test_a_new_id_is_a_uuid_of_version_7_with_the_time_of_its_making():
    for _ in range(100):
        before_ms = time.time_ns() // 1_000_000
        value = _number(IDS.new_id(""))
        parsed = uuid.UUID(int=value)
        assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
        assert before_ms <= value >> 80 <= time.time_ns() // 1_000_000


def test_every_bit_of_chance_in_an_id_comes_as_often_as_not():
    made = 20_000
    for draw in (lambda: uuid.UUID(IDS.event_id()).int, lambda: _number(IDS.new_id(""))):
        drawn = [draw() for _ in range(made)]
        for place in _CHANCE:
            ones = sum(one >> place & 1 for one in drawn)
            # Seven standard deviations: by chance, once in 10^9 runs of this test.
            assert abs(ones - made / 2) < 7 * (made / 4) ** 0.5, place


def test_ids_sort_by_time():
    first = IDS.new_id("req_")
    while (later := IDS.new_id("req_"))[:14] == first[:14]:
        pass
    assert first < later


def test_a_forked_child_makes_other_ids_than_its_parent():
    IDS.event_id()  # the parent holds a page of randomness now
    IDS.new_id("")
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write_end, "".join(IDS.event_id()[14:] for _ in range(50)).encode())
        os.write(write_end, "".join(IDS.new_id("")[10:] for _ in range(50)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    of_child = os.read(read_end, 65536).decode()
    os.close(read_end)
    os.close(write_end)
    assert len(of_child) == 50 * 22 + 50 * 16
    assert not any(IDS.event_id()[14:] in of_child for _ in range(300))
    assert not any(IDS.new_id("")[10:] in of_child for _ in range(300))
