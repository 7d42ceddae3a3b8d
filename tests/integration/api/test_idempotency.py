"""One key, one operation: retries, re-use, strangers, and many at once."""

from __future__ import annotations

import concurrent.futures
import json

from chronos.store.locks import key_lock
from tests.integration.api.conftest import Bank
from tests.integration.api.running import wait_until
from tests.integration.api.wire import connect, new_key

PLAIN = {"from": "alice", "to": "bob", "amount": 1, "currency": "EUR"}


def test_a_retry_gets_the_same_answer_and_nothing_happens_twice(bank: Bank) -> None:
    key = new_key()
    first = bank.door.post("/v1/transfers", PLAIN, key=key)
    counts = bank.counts()

    retry = bank.door.post("/v1/transfers", PLAIN, key=key)

    assert first.status == retry.status == 201
    assert retry.body == first.body
    assert retry.headers["location"] == first.headers["location"]
    assert retry.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert retry.headers["x-request-id"] != first.headers["x-request-id"]
    assert bank.counts() == counts


def test_key_order_and_white_space_do_not_change_the_meaning(bank: Bank) -> None:
    key = new_key()
    first = bank.door.post("/v1/transfers", {**PLAIN, "description": "caf\u00e9"}, key=key)
    turned = dict(reversed([*PLAIN.items(), ("description", "caf\u00e9"), ("id", None)]))
    raw = json.dumps(turned, indent=2, ensure_ascii=False).encode()

    retry = bank.door.post("/v1/transfers", raw, key=key)

    assert (retry.status, retry.body) == (201, first.body)


def test_a_key_with_another_meaning_is_refused(bank: Bank) -> None:
    key = new_key()
    assert bank.door.post("/v1/transfers", PLAIN, key=key).status == 201

    other_body = bank.door.post("/v1/transfers", {**PLAIN, "amount": 2}, key=key)
    other_route = bank.door.post("/v1/accounts", {"currency": "EUR"}, key=key)

    for answer in (other_body, other_route):
        assert (answer.status, answer.json["code"]) == (422, "idempotency_key_reused")


def test_the_same_key_of_another_principal_is_another_operation(bank: Bank) -> None:
    key = new_key()
    first = bank.door.post("/v1/transfers", PLAIN, key=key)
    second = bank.other.post("/v1/transfers", PLAIN, key=key)

    assert first.status == second.status == 201
    assert first.json["id"] != second.json["id"]


def test_a_refusal_stays_a_refusal_when_the_funds_come_later(bank: Bank) -> None:
    bank.door.open_account("late-funds")
    key = new_key()
    first = bank.door.transfer("late-funds", "bob", 5, key=key)
    assert bank.door.transfer("bank", "late-funds", 5).status == 201

    retry = bank.door.transfer("late-funds", "bob", 5, key=key)

    assert first.status == retry.status == 409
    assert retry.body == first.body
    assert retry.headers["idempotent-replayed"] == "true"
    assert retry.headers["content-type"] == "application/problem+json"


def test_a_key_that_another_process_works_on_is_told_to_wait(bank: Bank) -> None:
    key = new_key()
    lock = key_lock(("alice-corp", key))
    bank.inspector.fetch("SELECT pg_advisory_lock($1)", lock)
    try:
        busy = bank.door.post("/v1/transfers", PLAIN, key=key)
    finally:
        bank.inspector.fetch("SELECT pg_advisory_unlock($1)", lock)

    assert (busy.status, busy.json["code"]) == (409, "idempotency_in_progress")
    assert busy.headers["retry-after"] == "1"
    assert bank.door.post("/v1/transfers", PLAIN, key=key).status == 201


def test_fifty_posts_of_one_key_at_once_are_one_transfer(bank: Bank) -> None:
    events = bank.counts()[0]
    key = new_key()
    with concurrent.futures.ThreadPoolExecutor(50) as threads:
        answers = list(
            threads.map(lambda _: bank.door.post("/v1/transfers", PLAIN, key=key), range(50))
        )

    assert bank.counts()[0] == events + 2
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1


def test_a_client_that_hangs_up_after_sending_is_served_once(bank: Bank) -> None:
    key, body = new_key(), json.dumps({**PLAIN, "id": "hung-up"}).encode()
    raw = bank.door.head("POST", "/v1/transfers", headers={"Idempotency-Key": key}, body=body)
    with connect(bank.api.port) as connection:
        connection.sendall(raw + body)

    wait_until(lambda: bank.door.get("/v1/transfers/hung-up").status == 200, 20)
    retry = bank.door.post("/v1/transfers", body, key=key)

    assert retry.status == 201
    assert retry.headers["idempotent-replayed"] == "true"


def test_a_dry_run_needs_no_key_decides_and_writes_nothing(bank: Bank) -> None:
    counts = bank.counts()
    path, headers = "/v1/transfers?dry_run=true", {"Idempotency-Key": None}

    granted = bank.door.ask("POST", path, body=json.dumps(PLAIN).encode(), headers=headers)
    large = json.dumps({**PLAIN, "amount": 10**9}).encode()
    refused = bank.door.ask("POST", path, body=large, headers=headers)

    assert granted.status == 200
    assert granted.json["accounts"].keys() == {"alice", "bob"}
    assert "location" not in granted.headers
    assert (refused.status, refused.json["code"]) == (409, "insufficient_funds")
    assert bank.counts() == counts
