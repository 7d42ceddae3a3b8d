"""What counts as an event of the live stream, and what a record cannot smuggle into it."""

import json

import pytest

from chronos.stream.live.events import Versions, read_event
from tests.unit.stream.live_parts import PARTITIONS, Bank, foreign


@pytest.fixture
def record():
    return Bank().pay("a0")[-1]


def with_header(record, name, value):
    headers = tuple((n, value if n == name else v) for n, v in record.headers)
    return record._replace(headers=headers)


def test_an_event_is_its_json_with_its_hash_in_one_line(record):
    event = read_event(record._replace(offset=7), PARTITIONS)

    assert (event.account_id, event.version, event.offset) == ("a0", 2, 7)
    assert event.type == "MoneyDeposited"
    shown = json.loads(event.data)
    assert shown.pop("hash") == record.header("ce_hash")
    assert shown == json.loads(record.value)
    assert b"\n" not in event.data


def test_a_record_that_is_not_an_event_is_none(record):
    broken = {
        "foreign": foreign(0),
        "no key": record._replace(key=None),
        "no value": record._replace(value=None),
        "no hash": with_header(record, "ce_hash", b"00"),
        "no type": with_header(record, "ce_type", b""),
        "a farewell as its type": with_header(record, "ce_type", b"cut"),
        "a line end in its type": with_header(record, "ce_type", b"Money\ndata: x"),
        "another type": with_header(record, "ce_type", b"AccountOpened"),
        "another version": with_header(record, "ce_version", b"3"),
        "another account": record._replace(key=b"a1"),
        "another partition": record._replace(partition=(record.partition + 1) % PARTITIONS),
        "no JSON": record._replace(value=b"nothing}"),
        "cut short": record._replace(value=record.value[:-20]),
        "a line end": record._replace(value=record.value[:-1] + b"\n}"),
        "a carriage return": record._replace(value=record.value.replace(b",", b",\r", 1)),
        "white space behind": record._replace(value=record.value + b" "),
        "not UTF-8": record._replace(value=record.value.replace(b"EUR", b"E\xff")),
    }

    assert {
        what for what, r in broken.items() if read_event(r, PARTITIONS) is not None
    } == set()


def test_a_version_is_new_once_and_the_account_seen_longest_ago_is_forgotten():
    versions = Versions(2)
    events = {
        (name, number): read_event(record, PARTITIONS)
        for name in ("a0", "a1", "a2")
        for number, record in enumerate(Bank().records_of(name, Bank().pay(name, name)))
    }

    assert versions.is_new(events["a0", 0])
    assert not versions.is_new(events["a0", 0])
    assert versions.is_new(events["a0", 1])
    assert not versions.is_new(events["a0", 0])
    versions.is_new(events["a1", 0])
    versions.is_new(events["a2", 0])
    assert versions.is_new(events["a0", 0])
