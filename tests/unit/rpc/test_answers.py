"""Receipts and events as messages: nothing is lost, and no type of event is forgotten."""

from dataclasses import fields, replace
from datetime import timedelta
from typing import get_args

import msgspec
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from chronos.domain.account import AccountStatus, FreezeScope
from chronos.domain.chart import AccountKind
from chronos.domain.commands import (
    AnnotateAccount,
    CaptureHold,
    CloseAccount,
    ExpireHold,
    FreezeAccount,
    PlaceHold,
    SetOverdraftLimit,
    UnfreezeAccount,
    VoidHold,
)
from chronos.domain.events import Event
from chronos.domain.ids import AccountId, HoldId, TransferId
from chronos.rpc import answers
from chronos.rpc.pb import ledger_pb2 as pb
from chronos.store.reads import StoredEvent
from chronos.wire.codec import decode_event, event_hash
from chronos.wire.event_shapes import EventShape
from tests.builders import NOW, MemoryBank, attempt, open_account, transfer


@pytest.fixture
def booked():
    bank = MemoryBank.empty()
    alice = open_account("alice", overdraft_limit=500, external_id="crm", metadata={"a": "b"})
    bob = open_account("bob")
    moved = transfer(description="rent", external_id="inv-7", metadata={"k": "v"})
    commands = (alice, bob, moved)
    return bank.book([attempt(c, key=f"key-{n}") for n, c in enumerate(commands)])


def stored(row) -> StoredEvent:
    return StoredEvent(
        row.account_id,
        row.version,
        row.position,
        row.type,
        row.recorded_at,
        row.hash,
        row.body,
    )


def test_the_receipt_of_an_opening_says_what_http_says(booked):
    document = msgspec.json.decode(booked.receipts[0].body)
    message = answers.opened_account(booked.receipts[0].body)

    assert (message.id, message.currency) == ("alice", "EUR")
    assert (message.kind, message.status) == (pb.ACCOUNT_KIND_CUSTOMER, pb.ACCOUNT_STATUS_OPEN)
    assert (message.overdraft_limit, message.external_id) == (500, "crm")
    assert (message.available, message.position) == (500, document["position"])
    assert message.opened_at.ToJsonString() == document["opened_at"]
    assert dict(message.metadata) == {"a": "b"}


def test_the_receipt_of_a_transfer_says_what_http_says(booked):
    document = msgspec.json.decode(booked.receipts[2].body)
    message = answers.booked_transfer(booked.receipts[2].body)

    named = {
        field.name: getattr(message, field.name)
        for field in message.DESCRIPTOR.fields
        if field.name not in ("recorded_at", "metadata", "accounts", "reverses")
    }
    assert named == {name: document[name] for name in named}
    assert message.recorded_at.ToJsonString() == document["recorded_at"]
    assert not message.HasField("reverses")
    assert {name: after.booked for name, after in message.accounts.items()} == {
        name: after["booked"] for name, after in document["accounts"].items()
    }


def a_whole_life():
    """Events of every type, as they would be stored."""
    bank = MemoryBank.empty()
    hold = PlaceHold(
        hold_id=HoldId("hld_1"),
        account_id=AccountId("bob"),
        amount=40,
        currency="EUR",
        expires_at=NOW + timedelta(days=7),
        description="card",
        metadata={},
        expected_versions={},
    )
    capture = CaptureHold(
        hold_id=HoldId("hld_1"),
        transfer_id=TransferId("trf_2"),
        destination=AccountId("alice"),
        amount=30,
        description=None,
        value_date=None,
        metadata={},
        expected_versions={},
    )
    of_alice = {"account_id": AccountId("alice"), "expected_version": None}
    commands = (
        open_account("alice", overdraft_limit=500),
        open_account("bob"),
        transfer(external_id="inv-7"),
        hold,
        capture,
        replace(hold, hold_id=HoldId("hld_2")),
        VoidHold(hold_id=HoldId("hld_2"), description=None, expected_versions={}),
        replace(hold, hold_id=HoldId("hld_3"), expires_at=NOW + timedelta(milliseconds=9)),
        open_account("vault", kind=AccountKind.SETTLEMENT),
        *(open_account(f"later-{n}") for n in range(4)),
        ExpireHold(hold_id=HoldId("hld_3")),
        SetOverdraftLimit(**of_alice, overdraft_limit=300, description="reviewed"),
        FreezeAccount(**of_alice, scope=FreezeScope.DEBITS, description=None),
        UnfreezeAccount(**of_alice, description=None),
        AnnotateAccount(**of_alice, metadata={"k": "v"}, description=None),
        CloseAccount(account_id=AccountId("later-0"), expected_version=None, description=None),
    )
    rows = []
    for number, command in enumerate(commands):
        booked = bank.book([attempt(command, key=f"key-{number}")])
        assert booked.receipts[0].status < 400, booked.receipts[0].body
        rows.extend(booked.event_rows)
    return [stored(row) for row in rows]


def test_an_event_says_everything_that_its_body_says():
    told_types = set()
    for event in a_whole_life():
        document = msgspec.json.decode(event.body)
        message = answers.event(event)
        name = message.WhichOneof("detail")
        detail = getattr(message, name)

        told_types.add(event.type)
        assert name == answers.DETAILS[event.type][0]
        for member, value in document.items():
            if member == "type":
                continue
            teller = message if member in type(message).DESCRIPTOR.fields_by_name else detail
            field = type(teller).DESCRIPTOR.fields_by_name[member]
            if value is None:
                assert not teller.HasField(member)
            elif field.enum_type is not None:
                told = field.enum_type.values_by_number[getattr(teller, member)].name
                label = AccountStatus(value).name if member == "status_after" else value.upper()
                assert told.endswith(f"_{label}")
            elif isinstance(getattr(teller, member), Timestamp):
                assert getattr(teller, member).ToJsonString() == value
            else:
                assert getattr(teller, member) == value
    assert told_types == answers.DETAILS.keys()


def test_an_event_from_before_a_member_says_what_its_absence_means():
    (event, *_) = [each for each in a_whole_life() if each.type == "MoneyDeposited"]
    document = msgspec.json.decode(event.body)
    del document["legs"], document["external_id"]

    message = answers.event(event._replace(body=msgspec.json.encode(document)))

    assert message.money_deposited.legs == 2
    assert not message.money_deposited.HasField("external_id")
    defaults = {
        field.name: field.default
        for shape in get_args(EventShape)
        for field in msgspec.structs.fields(shape)
        if field.default not in (None, msgspec.NODEFAULT)
    }
    assert defaults == answers.LATER_MEMBERS


def test_the_bytes_of_an_event_prove_its_hash(booked):
    first = next(row for row in booked.event_rows if row.version == 1)
    message = answers.event(stored(first))

    assert message.hash == event_hash(None, message.body)
    assert decode_event(message.body).event_id == message.event_id


def test_every_type_of_event_has_its_member_in_the_interface():
    types = {kind.__name__ for kind in get_args(Event)}

    assert types <= answers.DETAILS.keys()
    members = {field.name for field in pb.Event.DESCRIPTOR.oneofs_by_name["detail"].fields}
    assert {name for name, _ in answers.DETAILS.values()} == members


def test_every_field_of_an_event_is_told_under_its_own_name():
    for kind in get_args(Event):
        _, message = answers.DETAILS[kind.__name__]
        told = {
            field.name for field in (*pb.Event.DESCRIPTOR.fields, *message.DESCRIPTOR.fields)
        }
        # An opening's limit is told as the state after it, like that of every event.
        named = {field.name for field in fields(kind)} - {"overdraft_limit"}
        assert named <= told, kind


def test_a_type_that_this_version_does_not_know_is_told_by_its_body(booked):
    row = stored(booked.event_rows[0])._replace(type="AccountPainted")

    message = answers.event(row)

    assert message.WhichOneof("detail") is None
    assert (message.version, message.body) == (1, row.body)


@pytest.mark.parametrize("status", list(AccountStatus))
def test_every_status_has_its_name_in_the_interface(status):
    assert pb.AccountStatus.Value(f"ACCOUNT_STATUS_{status.name}") > 0
