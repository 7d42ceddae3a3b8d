"""Requests as ready bytes: whole, different, and the same again for the same seed."""

import itertools
import json

import pytest

from chronos.bench.load import (
    Door,
    LoadPlan,
    Reads,
    Transfers,
    batch_requests,
    requests_for,
    transfer_requests,
)
from chronos.bench.report import BenchFault
from chronos.bench.skew import Skew

DOOR = Door(host="127.0.0.1", port=1)


def work(**changes) -> Transfers:
    fields = {
        "accounts": ("a", "b", "c"),
        "currency": "EUR",
        "skew": Skew.UNIFORM,
        "seed": 7,
        "run": "run",
    }
    return Transfers(**(fields | changes))


def bodies(requests):
    for request in requests:
        head, _, body = request.partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        yield json.loads(body)


def test_requests_name_two_accounts_and_a_key_of_their_own():
    first = list(itertools.islice(transfer_requests(DOOR, "k", work()), 200))

    keys = {
        request.partition(b"Idempotency-Key: ")[2].partition(b"\r\n")[0] for request in first
    }
    assert len(keys) == 200
    assert first == list(itertools.islice(transfer_requests(DOOR, "k", work()), 200))
    assert all(body["from"] != body["to"] for body in bodies(first))


def test_a_batch_has_as_many_transfers_as_were_asked_for():
    of_three = work(batch=3, is_atomic=True, skew=Skew.ONE_HOT)
    first, second = itertools.islice(batch_requests(DOOR, "k", of_three), 2)

    assert first.startswith(b"POST /v1/batches HTTP/1.1\r\n")
    one, two = bodies([first, second])
    assert one["atomic"] is True
    assert [len(body["commands"]) for body in (one, two)] == [3, 3]
    assert {item["type"] for item in one["commands"]} == {"transfer"}
    assert {item["to"] for item in one["commands"]} == {"a"}


def test_each_door_is_asked_for_its_own_paths_in_turn():
    plan = LoadPlan(
        doors=(DOOR, Door(host="127.0.0.1", port=2)),
        api_key="k",
        work=Reads(paths=(("/x", "/y"), ("/z",)), mark="", groups=2),
        connections=2,
        warm_up_s=0,
        seconds=1,
    )
    first, second = (list(itertools.islice(some, 3)) for some in requests_for(plan))

    assert [(raw.split()[1], group) for raw, group in first] == [
        (b"/x", 0),
        (b"/y", 1),
        (b"/x", 0),
    ]
    assert {(raw.split()[1], group) for raw, group in second} == {(b"/z", 0)}
    assert b"Host: 127.0.0.1:2\r\n" in second[0][0]


@pytest.mark.parametrize(
    "url", ["https://ledger:443", "ledger:80", "http://ledger/v1", "http://"]
)
def test_an_address_that_the_driver_cannot_speak_to_is_refused(url):
    with pytest.raises(BenchFault, match="plain HTTP"):
        Door.at(url)


def test_an_address_is_read():
    assert Door.at("http://127.0.0.1:8080/") == Door(host="127.0.0.1", port=8080)
