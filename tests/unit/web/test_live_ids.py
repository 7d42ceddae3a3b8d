"""The ids of the live stream open for their own stream alone."""

import base64

import pytest

from chronos.stream.live.events import Place
from web.live_ids import ID_CHARACTERS_MAX, InvalidId, LiveIds

SECRET = b"only for tests"
ALL = Place((0, 1, 127, 128, 300, 2**40, 5, 6), version=0)
ONE = Place((2**33,), version=70_000)


def ids(secret=SECRET, topic="chronos.events.v1", partitions=8):
    return LiveIds(secret, topic, partitions=partitions)


def test_an_id_opens_as_the_place_it_was_made_of():
    assert ids().open(None, ids().seal(None, ALL).decode()) == ALL
    assert ids().open("alice", ids().seal("alice", ONE).decode()) == ONE


def test_an_id_is_short_and_fits_a_header_even_with_very_many_partitions():
    assert len(ids().seal("alice", ONE)) <= 40
    huge = Place((2**30,) * 1024, version=0)
    assert len(ids(partitions=1024).seal(None, huge)) <= ID_CHARACTERS_MAX


def test_an_id_of_another_stream_is_refused():
    one, every = ids().seal("alice", ONE).decode(), ids().seal(None, ALL).decode()
    single = LiveIds(SECRET, "chronos.events.v1", partitions=1)
    alone = single.seal(None, Place((5,), version=0)).decode()

    refused = [
        lambda: ids().open("bob", one),
        lambda: ids().open(None, one),
        lambda: ids().open("alice", every),
        lambda: ids(topic="other.events.v1").open("alice", one),
        lambda: ids(secret=b"another").open("alice", one),
        lambda: ids(partitions=16).open("alice", one),
        lambda: ids(partitions=16).open(None, every),
        lambda: ids().open(None, alone),
    ]
    for opening in refused:
        with pytest.raises(InvalidId):
            opening()


def test_a_malformed_or_forged_id_is_refused():
    good = ids().seal("alice", ONE).decode()
    raw = base64.urlsafe_b64decode(good + "=" * (-len(good) % 4))
    forged = [
        base64.urlsafe_b64encode(raw[:i] + bytes((raw[i] ^ 1,)) + raw[i + 1 :]).decode()
        for i in range(len(raw))
    ]
    malformed = ["x", "*", "é", good + "=", good + "A", good[:-1], " " + good, "A" * 9000]

    for text in (*(f.rstrip("=") for f in forged), *malformed):
        with pytest.raises(InvalidId):
            ids().open("alice", text)
