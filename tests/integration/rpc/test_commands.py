"""Commands and the balance through the gRPC door, on the real store."""

from __future__ import annotations

import concurrent.futures

import grpc
import pytest
from grpc import StatusCode

from chronos.domain.money import AMOUNT_MAX
from chronos.rpc.pb import ledger_pb2 as pb
from tests.integration.api.wire import new_key
from tests.integration.rpc.calling import outcome_of, transfer_request
from tests.integration.rpc.conftest import Bank


def test_an_account_is_opened_and_has_nothing(bank: Bank) -> None:
    opened = bank.caller.open_account(
        "opened",
        kind=pb.ACCOUNT_KIND_SUSPENSE,
        overdraft_limit=500,
        external_id="crm-opened",
        metadata={"team": "blue"},
        opened_on="2026-01-31",
    )

    assert opened.status is StatusCode.OK
    account = opened.message
    assert (account.id, account.currency, account.version) == ("opened", "EUR", 1)
    assert (account.kind, account.status) == (pb.ACCOUNT_KIND_SUSPENSE, pb.ACCOUNT_STATUS_OPEN)
    assert (account.booked, account.available, account.overdraft_limit) == (0, 500, 500)
    assert (account.external_id, dict(account.metadata)) == ("crm-opened", {"team": "blue"})
    assert account.opened_on == "2026-01-31"
    assert account.position > 0
    assert account.opened_at.ToDatetime().year >= 2026
    assert account.accounts["opened"] == pb.Balances(version=1, available=500)


def test_what_is_not_said_is_the_default(bank: Bank) -> None:
    request = pb.OpenAccountRequest(currency="EUR", idempotency_key=new_key())
    customer = bank.caller.call("OpenAccount", request).message
    request = pb.OpenAccountRequest(
        currency="EUR", idempotency_key=new_key(), kind=pb.ACCOUNT_KIND_SETTLEMENT
    )
    settlement = bank.caller.call("OpenAccount", request).message

    assert customer.id.startswith("acc_")
    assert (customer.kind, customer.overdraft_limit) == (pb.ACCOUNT_KIND_CUSTOMER, 0)
    assert customer.HasField("overdraft_limit")
    assert not settlement.HasField("overdraft_limit")


def test_a_transfer_moves_the_amount_once_and_both_doors_see_it(bank: Bank) -> None:
    before = bank.caller.balance("bob").message
    moved = bank.caller.transfer(
        "alice", "bob", 125, description="coffee", id="trf-coffee", external_id="till-4"
    )

    assert moved.status is StatusCode.OK
    receipt = moved.message
    assert (receipt.id, receipt.to, receipt.amount) == ("trf-coffee", "bob", 125)
    assert (receipt.description, receipt.external_id) == ("coffee", "till-4")
    assert receipt.accounts["bob"].booked == before.booked + 125
    assert receipt.accounts.keys() == {"alice", "bob"}
    after = bank.caller.balance("bob").message
    assert (after.booked, after.version) == (before.booked + 125, before.version + 1)
    assert after.status == pb.ACCOUNT_STATUS_OPEN
    assert bank.http.get("/v1/transfers/trf-coffee").json["amount"] == 125
    assert moved.trailers["x-request-id"].startswith("req_")
    assert "idempotent-replayed" not in moved.trailers


def test_the_balance_is_the_one_that_http_reads(bank: Bank) -> None:
    over_http = bank.http.get("/v1/accounts/alice/balance").json
    balance = bank.reader.balance("alice").message

    assert balance.account_id == over_http["account"]
    for name in ("currency", "booked", "held", "available", "version"):
        assert getattr(balance, name) == over_http[name]
    assert balance.as_of.ToJsonString() == over_http["as_of"]


def test_a_retry_gets_the_same_receipt_and_says_so(bank: Bank) -> None:
    request = transfer_request("alice", "bob", 1)
    first = bank.caller.call("TransferFunds", request)
    events = bank.events()

    retry = bank.caller.call("TransferFunds", request)

    assert retry.status is StatusCode.OK
    assert retry.message == first.message
    assert retry.trailers["idempotent-replayed"] == "true"
    assert retry.trailers["x-request-id"] != first.trailers["x-request-id"]
    assert bank.events() == events


def test_a_refusal_is_replayed_too_when_the_funds_come_later(bank: Bank) -> None:
    bank.caller.open_account("late")
    request = transfer_request("late", "bob", 5)
    first = bank.caller.call("TransferFunds", request)
    assert bank.caller.transfer("bank", "late", 5).status is StatusCode.OK

    retry = bank.caller.call("TransferFunds", request)

    assert first.status is retry.status is StatusCode.FAILED_PRECONDITION
    assert first.code == retry.code == "insufficient_funds"
    assert retry.text == first.text
    assert "idempotent-replayed" not in first.trailers
    assert retry.trailers["idempotent-replayed"] == "true"


def test_a_key_of_one_door_is_the_same_key_at_the_other(bank: Bank) -> None:
    key = new_key()
    posted = bank.http.transfer("alice", "bob", 7, key=key)
    events = bank.events()

    retried = bank.caller.transfer("alice", "bob", 7, idempotency_key=key)
    other = bank.caller.transfer("alice", "bob", 8, idempotency_key=key)

    assert retried.message.id == posted.json["id"]
    assert retried.message.position == posted.json["position"]
    assert retried.trailers["idempotent-replayed"] == "true"
    assert (other.status, other.code) == (
        StatusCode.INVALID_ARGUMENT,
        "idempotency_key_reused",
    )
    assert bank.events() == events


def test_a_key_of_grpc_is_a_retry_over_http(bank: Bank) -> None:
    key = new_key()
    called = bank.caller.transfer("alice", "bob", 9, idempotency_key=key)

    posted = bank.http.transfer("alice", "bob", 9, key=key)

    assert posted.json["id"] == called.message.id
    assert posted.headers["idempotent-replayed"] == "true"


def test_the_same_key_of_another_principal_is_another_operation(bank: Bank) -> None:
    key = new_key()
    first = bank.caller.transfer("alice", "bob", 1, idempotency_key=key)
    second = bank.other.transfer("alice", "bob", 1, idempotency_key=key)

    assert first.message.id != second.message.id


def test_a_key_of_another_method_is_refused(bank: Bank) -> None:
    key = new_key()
    assert bank.caller.transfer("alice", "bob", 1, idempotency_key=key).status is StatusCode.OK

    refused = bank.caller.open_account("never-opened", idempotency_key=key)

    assert refused.code == "idempotency_key_reused"
    assert bank.caller.balance("never-opened").status is StatusCode.NOT_FOUND


def test_fifty_calls_of_one_key_at_once_are_one_transfer(bank: Bank) -> None:
    events = bank.events()
    request = transfer_request("alice", "bob", 1)
    with concurrent.futures.ThreadPoolExecutor(50) as threads:
        outcomes = list(
            threads.map(lambda _: bank.caller.call("TransferFunds", request), range(50))
        )

    assert {outcome.status for outcome in outcomes} == {StatusCode.OK}
    assert len({outcome.message.id for outcome in outcomes}) == 1
    assert sum("idempotent-replayed" not in each.trailers for each in outcomes) == 1
    assert bank.events() == events + 2


def test_a_dry_run_needs_no_key_decides_and_writes_nothing(bank: Bank) -> None:
    events = bank.events()

    granted = bank.caller.transfer("alice", "bob", 1, idempotency_key="", dry_run=True)
    refused = bank.caller.transfer("alice", "bob", 10**12, idempotency_key="", dry_run=True)

    assert granted.message.accounts.keys() == {"alice", "bob"}
    assert refused.code == "insufficient_funds"
    assert bank.events() == events


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"amount": AMOUNT_MAX // 2}, StatusCode.FAILED_PRECONDITION, "insufficient_funds"),
        ({"to": "alice"}, StatusCode.INVALID_ARGUMENT, "same_account"),
        ({"to": "nowhere"}, StatusCode.NOT_FOUND, "account_not_found"),
        ({"to": "yen"}, StatusCode.INVALID_ARGUMENT, "currency_mismatch"),
        ({"currency": "USD"}, StatusCode.INVALID_ARGUMENT, "currency_mismatch"),
        ({"expected_versions": {"alice": 1}}, StatusCode.ABORTED, "version_conflict"),
        ({"value_date": "1999-01-01"}, StatusCode.INVALID_ARGUMENT, "date_invalid"),
    ],
)
def test_a_business_refusal_has_its_code_and_writes_no_event(
    bank: Bank, fields, status, code
) -> None:
    events = bank.events()
    named = {"source": "alice", "to": "bob", "amount": 1, **fields}

    refused = bank.caller.transfer(**named)

    assert (refused.status, refused.code) == (status, code)
    assert refused.text
    assert bank.events() == events


def test_an_id_that_is_taken_already_exists(bank: Bank) -> None:
    assert bank.caller.transfer("alice", "bob", 1, id="once").status is StatusCode.OK

    account = bank.caller.open_account("alice")
    transfer = bank.caller.transfer("alice", "bob", 1, id="once")

    assert (account.status, account.code) == (StatusCode.ALREADY_EXISTS, "account_exists")
    assert (transfer.status, transfer.code) == (StatusCode.ALREADY_EXISTS, "transfer_exists")


@pytest.mark.parametrize(
    ("fields", "code", "wrong"),
    [
        ({"amount": 0}, "amount_not_positive", {"amount"}),
        ({"amount": -5}, "amount_not_positive", {"amount"}),
        ({"amount": AMOUNT_MAX + 1}, "amount_too_large", {"amount"}),
        ({"amount": 2**63 - 1}, "amount_too_large", {"amount"}),
        ({"source": ""}, "id_invalid", {"from"}),
        ({"to": "-x"}, "id_invalid", {"to"}),
        ({"id": ""}, "id_invalid", {"id"}),
        ({"currency": "eur"}, "currency_invalid", {"currency"}),
        ({"currency": "XXX"}, "currency_invalid", {"currency"}),
        ({"description": "two\nlines"}, "description_invalid", {"description"}),
        ({"description": "x" * 141}, "description_invalid", {"description"}),
        ({"value_date": "31.1.2026"}, "date_invalid", {"value_date"}),
        ({"external_id": ""}, "id_invalid", {"external_id"}),
        ({"metadata": {"a b": "1"}}, "metadata_invalid", {"metadata"}),
        ({"metadata": {f"k{n}": "" for n in range(17)}}, "metadata_invalid", {"metadata"}),
        (
            {"expected_versions": {"eve": 1}},
            "schema_violation",
            {"expected_versions.eve"},
        ),
        ({"amount": 0, "currency": ""}, "schema_violation", {"amount", "currency"}),
    ],
)
def test_a_wrong_field_is_named_with_the_code_that_http_gives(
    bank: Bank, fields, code, wrong
) -> None:
    named = {"source": "alice", "to": "bob", "amount": 1, **fields}

    refused = bank.caller.transfer(**named)

    assert (refused.status, refused.code) == (StatusCode.INVALID_ARGUMENT, code)
    assert set(refused.fields) == wrong
    assert refused.details["RequestInfo"].request_id == refused.trailers["x-request-id"]


def test_a_nul_character_is_refused_as_over_http(bank: Bank) -> None:
    refused = bank.caller.transfer("alice", "bob", 1, metadata={"a": "\x00"})

    assert (refused.status, refused.code) == (
        StatusCode.INVALID_ARGUMENT,
        "invalid_characters",
    )


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("", "idempotency_key_missing"),
        ("a b", "idempotency_key_invalid"),
        ("k" * 256, "idempotency_key_invalid"),
    ],
)
def test_a_command_needs_a_usable_key(bank: Bank, key, code) -> None:
    refused = bank.caller.transfer("alice", "bob", 1, idempotency_key=key)

    assert (refused.status, refused.code) == (StatusCode.INVALID_ARGUMENT, code)


def test_a_kind_that_is_not_known_is_refused(bank: Bank) -> None:
    refused = bank.caller.open_account("odd", kind=99)

    assert (refused.status, refused.fields) == (
        StatusCode.INVALID_ARGUMENT,
        {"kind": "schema_violation"},
    )


@pytest.mark.parametrize("account_id", ["", "a b", "../alice", "x" * 65])
def test_a_balance_of_an_impossible_id_is_an_invalid_argument(bank: Bank, account_id) -> None:
    refused = bank.caller.balance(account_id)

    assert (refused.status, refused.code) == (StatusCode.INVALID_ARGUMENT, "id_invalid")
    assert set(refused.fields) == {"account_id"}


def test_the_balance_of_an_unknown_account_is_not_found(bank: Bank) -> None:
    refused = bank.caller.balance("nobody")

    assert (refused.status, refused.code) == (StatusCode.NOT_FOUND, "account_not_found")


def test_the_request_leads_to_its_events(bank: Bank) -> None:
    key = new_key()
    moved = bank.caller.transfer("alice", "bob", 1, idempotency_key=key)

    (*_, event) = bank.caller.events("alice", until_now=True)

    assert event.correlation_id == moved.trailers["x-request-id"]
    assert (event.causation_id, event.principal) == (key, "alice-corp")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda _plain: b"\xff\xff", "malformed_message"),
        (lambda plain: plain + b"\xf8\x06\x01", "schema_violation"),  # a field number 111
    ],
)
def test_bytes_that_are_no_message_and_fields_that_are_not_known_are_refused(
    bank: Bank, change, code
) -> None:
    plain = transfer_request("alice", "bob", 1).SerializeToString()
    send = bank.caller.channel.unary_unary("/chronos.v1.Ledger/TransferFunds")

    with pytest.raises(grpc.RpcError) as caught:
        send(change(plain), timeout=20, metadata=bank.caller.metadata)

    refused = outcome_of(caught.value)
    assert (refused.status, refused.code) == (StatusCode.INVALID_ARGUMENT, code)
    assert send(plain, timeout=20, metadata=bank.caller.metadata)
