"""An account's events as a stream: what is there, what comes, and every way to end."""

from __future__ import annotations

import concurrent.futures
import itertools
import json
import queue
import threading
import time
from collections.abc import Iterator

import grpc
import pytest
from grpc import StatusCode

from chronos.rpc.door import STREAMS_OF_ONE_MAX
from chronos.rpc.methods import EVENTS_PAGE
from chronos.rpc.pb import ledger_pb2 as pb
from chronos.wire.codec import decode_event, event_hash
from tests.integration.api.running import wait_until
from tests.integration.rpc.calling import (
    EVENTS_BEYOND_A_WINDOW,
    Caller,
    drain,
    fill_beyond_a_window,
    outcome_of,
)
from tests.integration.rpc.conftest import Bank

SOON_S = 20
_names = itertools.count(1)


@pytest.fixture
def account(bank: Bank) -> str:
    """An account of its own with one event."""
    name = f"streamed-{next(_names)}"
    assert bank.caller.open_account(name, metadata={"of": "test"}).status is StatusCode.OK
    return name


class Reading:
    """A stream that a thread reads into a queue."""

    def __init__(self, stream):
        self.stream = stream
        self._got: queue.Queue = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for event in self.stream:
                self._got.put(event)
        except grpc.RpcError as error:
            self._got.put(outcome_of(error))

    def next(self):
        return self._got.get(timeout=SOON_S)


@pytest.fixture
def following(bank: Bank) -> Iterator[object]:
    """Opens streams that are cancelled at the end of the test."""
    opened: list[Reading] = []

    def follow(account_id: str, after: int = 0, caller: Caller | None = None, **options):
        stream = (caller or bank.reader).events(account_id, after, until_now=False, **options)
        opened.append(Reading(stream))
        return opened[-1]

    yield follow
    for reading in opened:
        reading.stream.cancel()


def test_what_is_there_comes_in_order_with_all_it_says(bank: Bank, account: str) -> None:
    bank.caller.transfer("bank", account, 900, description="pay", metadata={"run": "7"})
    bank.caller.transfer(account, "bob", 400)

    opened, deposited, withdrawn = bank.reader.events(account)

    assert [event.version for event in (opened, deposited, withdrawn)] == [1, 2, 3]
    assert opened.WhichOneof("detail") == "account_opened"
    assert opened.account_opened.kind == pb.ACCOUNT_KIND_CUSTOMER
    assert dict(opened.metadata) == {"of": "test"}
    assert deposited.WhichOneof("detail") == "money_deposited"
    assert (deposited.money_deposited.amount, deposited.booked_after) == (900, 900)
    assert (deposited.description, dict(deposited.metadata)) == ("pay", {"run": "7"})
    assert withdrawn.money_withdrawn.amount == -400
    assert withdrawn.money_withdrawn.counterparty == "bob"
    assert (withdrawn.available_after, withdrawn.overdraft_limit_after) == (500, 0)
    assert withdrawn.status_after == pb.ACCOUNT_STATUS_OPEN
    assert not withdrawn.HasField("description")


def test_the_body_is_what_the_journal_hashes(bank: Bank, account: str) -> None:
    bank.caller.transfer("bank", account, 1)
    stored = bank.http.get(f"/v1/accounts/{account}/events").json["data"]

    chain = None
    for event, over_http in zip(bank.reader.events(account), stored, strict=True):
        chain = event_hash(chain, event.body)
        assert event.hash == chain
        assert json.loads(event.body) == {k: v for k, v in over_http.items() if k != "hash"}
        recorded = decode_event(event.body)
        assert event.recorded_at.ToMicroseconds() == round(
            recorded.recorded_at.timestamp() * 1_000_000
        )
        assert (event.event_id, event.position) == (recorded.event_id, recorded.position)


def test_what_came_through_the_other_door_is_told_with_its_own_members(
    bank: Bank, account: str
) -> None:
    bank.caller.transfer("bank", account, 50, external_id="inv-9")
    held = {"account": account, "amount": 20, "currency": "EUR", "id": f"hold-{account}"}
    bank.http.post("/v1/holds", held)
    bank.http.post(f"/v1/holds/hold-{account}/capture", {"to": "bob", "amount": 15})
    bank.http.post(f"/v1/accounts/{account}/freeze", {"scope": "all"})

    _, deposited, placed, captured, withdrawn, frozen = bank.reader.events(account)

    assert deposited.money_deposited.external_id == "inv-9"
    assert deposited.money_deposited.legs == 2
    assert (placed.hold_placed.hold_amount, placed.held_after) == (20, 20)
    assert not placed.hold_placed.HasField("expires_at")
    assert captured.hold_captured.captured_amount == 15
    assert captured.hold_captured.transfer_id == withdrawn.money_withdrawn.transfer_id
    assert withdrawn.money_withdrawn.amount == -15
    assert frozen.account_frozen.scope == pb.FREEZE_SCOPE_ALL
    assert frozen.status_after == pb.ACCOUNT_STATUS_FROZEN_ALL
    frozen_account = bank.reader.balance(account).message
    assert frozen_account.status == pb.ACCOUNT_STATUS_FROZEN_ALL


def test_it_goes_on_after_a_version(bank: Bank, account: str) -> None:
    for _ in range(3):
        bank.caller.transfer("bank", account, 1)

    assert [event.version for event in bank.reader.events(account, 2)] == [3, 4]
    assert list(bank.reader.events(account, 4)) == []
    assert list(bank.reader.events(account, 99)) == []


def test_more_events_than_a_page_come_all(bank: Bank, account: str) -> None:
    count = 2 * EVENTS_PAGE + 5
    with concurrent.futures.ThreadPoolExecutor(20) as threads:
        list(threads.map(lambda _: bank.caller.transfer("bank", account, 1), range(count)))

    versions = [event.version for event in bank.reader.events(account)]

    assert versions == list(range(1, count + 2))


def test_a_follower_gets_what_happens_later(bank: Bank, account: str, following) -> None:
    reading = following(account)
    assert reading.next().version == 1

    for amount in (5, 6):
        bank.caller.transfer("bank", account, amount)
        assert reading.next().money_deposited.amount == amount


def test_a_follower_ahead_of_the_account_waits_for_its_version(
    bank: Bank, account: str, following
) -> None:
    reading = following(account, 2)
    for amount in (1, 2):
        bank.caller.transfer("bank", account, amount)

    assert reading.next().version == 3


def test_many_followers_each_get_everything_once(bank: Bank, following) -> None:
    names = [f"crowd-{n}" for n in range(10)]
    for name in names:
        bank.caller.open_account(name)
    readings = {name: [following(name, 1) for _ in range(4)] for name in names}

    for name in names:
        bank.caller.transfer("bank", name, 3)
        bank.caller.transfer("bank", name, 4)

    for ofone in readings.values():
        for reading in ofone:
            amounts = [reading.next().money_deposited.amount for _ in range(2)]
            assert amounts == [3, 4]


def test_a_cancelled_follower_leaves_its_place(bank: Bank, account: str, following) -> None:
    reading = following(account)
    assert reading.next().version == 1
    assert open_streams(bank) == 1

    reading.stream.cancel()

    assert reading.next().status is StatusCode.CANCELLED
    wait_until(lambda: open_streams(bank) == 0, SOON_S)


def test_a_deadline_ends_a_follower(bank: Bank, account: str, following) -> None:
    reading = following(account, timeout=0.5)
    assert reading.next().version == 1

    assert reading.next().status is StatusCode.DEADLINE_EXCEEDED
    wait_until(lambda: open_streams(bank) == 0, SOON_S)


@pytest.mark.parametrize(
    ("account_id", "after", "status", "code"),
    [
        ("nobody", 0, StatusCode.NOT_FOUND, "account_not_found"),
        ("nobody", 5, StatusCode.NOT_FOUND, "account_not_found"),
        ("a b", 0, StatusCode.INVALID_ARGUMENT, "id_invalid"),
        ("alice", -1, StatusCode.INVALID_ARGUMENT, "invalid_parameter"),
        ("alice", 2**53, StatusCode.INVALID_ARGUMENT, "invalid_parameter"),
    ],
)
def test_a_stream_that_cannot_be_is_refused(
    bank: Bank, account_id, after, status, code
) -> None:
    for until_now in (True, False):
        refused = drain(bank.reader.events(account_id, after, until_now=until_now))
        assert (refused.status, refused.code) == (status, code)
        assert refused.trailers["x-request-id"].startswith("req_")


def test_one_principal_takes_only_its_share_of_the_streams(
    bank: Bank, account: str, following
) -> None:
    readings = [following(account) for _ in range(STREAMS_OF_ONE_MAX)]
    for reading in readings:
        assert reading.next().version == 1

    refused = drain(bank.reader.events(account, until_now=False))

    assert (refused.status, refused.code) == (StatusCode.RESOURCE_EXHAUSTED, "rate_limited")
    assert refused.details["RetryInfo"].retry_delay.seconds >= 1
    assert following(account, caller=bank.caller).next().version == 1


def test_a_reader_that_does_not_read_is_waited_for(bank: Bank, account: str) -> None:
    fill_beyond_a_window(bank.caller, account)
    sent = sent_events(bank)
    stream = bank.reader.events(account, until_now=True)
    assert next(stream).version == 1
    wait_until(lambda: _stands_still(bank), SOON_S)
    assert sent_events(bank) - sent < EVENTS_BEYOND_A_WINDOW

    assert [event.version for event in stream] == list(range(2, EVENTS_BEYOND_A_WINDOW + 2))


def test_a_client_that_goes_in_the_middle_of_a_message_is_no_fault(
    bank: Bank, account: str
) -> None:
    fill_beyond_a_window(bank.caller, account)
    faults = metric(bank, "chronos_rpc_internal_errors_total")
    stream = bank.reader.events(account, until_now=False)
    assert next(stream).version == 1
    wait_until(lambda: _stands_still(bank), SOON_S)

    stream.cancel()

    wait_until(lambda: open_streams(bank) == 0, SOON_S)
    assert metric(bank, "chronos_rpc_internal_errors_total") == faults


def _stands_still(bank: Bank) -> bool:
    before = sent_events(bank)
    end_s = time.monotonic() + 0.3
    while time.monotonic() < end_s:
        if sent_events(bank) != before:
            return False
    return True


def sent_events(bank: Bank) -> int:
    return metric(bank, "chronos_rpc_events_sent_total")


def open_streams(bank: Bank) -> int:
    return metric(bank, "chronos_rpc_streams")


def metric(bank: Bank, name: str) -> int:
    text = bank.http.get("/metrics").body.decode()
    (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return int(float(line.split()[1]))
