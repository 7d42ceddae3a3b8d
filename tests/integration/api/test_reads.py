"""What the journal says over HTTP, and what belongs to every answer."""

from __future__ import annotations

import hashlib
import json

from chronos.wire.headers import decode_headers
from tests.integration.api.conftest import Bank
from tests.integration.api.wire import connect, new_key

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_an_account_is_shown_as_its_receipt_told(bank: Bank) -> None:
    opened = bank.door.open_account(
        "shown", overdraft_limit=7, external_id="crm-shown", metadata={"colour": "red"}
    )
    shown = bank.door.get("/v1/accounts/shown")

    assert opened.headers["location"] == "/v1/accounts/shown"
    assert shown.status == 200
    assert shown.headers["etag"] == '"1"'
    assert shown.headers["cache-control"] == "no-store"
    assert shown.json == {
        name: text for name, text in opened.json.items() if name not in ("position", "accounts")
    }
    assert opened.json["accounts"] == {
        "shown": {"version": 1, "booked": 0, "held": 0, "available": 7}
    }


def test_a_transfer_is_shown_as_its_receipt_told(bank: Bank) -> None:
    made = bank.door.transfer("alice", "bob", 3)
    shown = bank.door.get(made.headers["location"])

    assert shown.status == 200
    document = shown.json
    postings = document.pop("postings")
    assert document == made.json
    assert postings == [
        {"account": "alice", "amount": -3, "currency": "EUR"},
        {"account": "bob", "amount": 3, "currency": "EUR"},
    ]
    versions = made.json["accounts"]
    balance = bank.door.get("/v1/accounts/bob/balance").json
    assert balance["version"] == versions["bob"]["version"]
    assert balance["booked"] == versions["bob"]["booked"]
    assert balance["source"] == "journal"


def test_events_are_paged_in_order_and_their_hashes_chain(bank: Bank) -> None:
    bank.door.open_account("paged")
    for _ in range(4):
        assert bank.door.transfer("bank", "paged", 1).status == 201

    events, after, pages = [], "0", 0
    while after is not None:
        page = bank.door.get(f"/v1/accounts/paged/events?after={after}&limit=2").json
        events += page["data"]
        after = page["page"]["next"]
        assert page["page"]["has_more"] is (after is not None)
        pages += 1

    assert pages == 3
    assert [event["version"] for event in events] == [1, 2, 3, 4, 5]
    previous = b""
    for event in events:
        digest = event.pop("hash")
        body = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        previous = hashlib.sha256(previous + body.encode()).digest()
        assert digest == previous.hex()


def test_the_books_are_balanced(bank: Bank) -> None:
    books = bank.door.get("/v1/trial-balance").json

    assert books["balanced"] is True
    assert set(books["totals"].values()) == {0}
    assert sum(line["debit"] for line in books["lines"]) == sum(
        line["credit"] for line in books["lines"]
    )


def test_a_callers_trace_reaches_the_record_for_kafka(bank: Bank) -> None:
    key = new_key()
    body = {"from": "alice", "to": "bob", "amount": 1, "currency": "EUR", "id": f"traced-{key}"}
    made = bank.door.post("/v1/transfers", body, key=key, traceparent=TRACEPARENT)
    query = """
        SELECT headers
        FROM (TABLE outbox_0 UNION ALL TABLE outbox_1 UNION ALL TABLE outbox_2) AS outbox
        WHERE position = $1
    """

    ((headers,),) = bank.inspector.fetch(query, made.json["position"])

    assert dict(decode_headers(headers))["traceparent"] == TRACEPARENT.encode()


def test_head_and_options_tell_about_an_address(bank: Bank) -> None:
    shown = bank.door.get("/v1/accounts/alice")
    options = bank.door.ask("OPTIONS", "/v1/accounts/alice")

    assert options.status == 204
    assert options.headers["allow"] == "GET, HEAD, OPTIONS"
    head = bank.door.head("HEAD", "/v1/accounts/alice")
    assert head_of(bank, head)["content-length"] == shown.headers["content-length"]


def head_of(bank: Bank, raw: bytes) -> dict[str, str]:
    """Reads an answer that has a length but no body."""
    with connect(bank.api.port) as connection:
        connection.sendall(raw)
        lines = connection.recv(65536).decode().split("\r\n")
    assert lines[-1] == ""
    return {
        name.lower(): text for name, _, text in (line.partition(": ") for line in lines[1:])
    }


def test_health_and_metrics_need_no_key_on_either_port(bank: Bank) -> None:
    for port in (bank.api.port, bank.api.admin_port):
        door = type(bank.door)(port=port, api_key="")
        assert door.get("/healthz").json == {"status": "ok"}
        assert door.get("/readyz").json == {"status": "ready"}
        text = door.get("/metrics").body.decode()
        assert "chronos_http_internal_errors_total 0.0" in text
        assert 'chronos_http_requests_total{method="POST",route="/v1/accounts"' in text
    assert (
        type(bank.door)(port=bank.api.admin_port, api_key="").get("/v1/accounts").status == 404
    )


def test_the_document_describes_the_running_server(bank: Bank) -> None:
    document = bank.door.get("/openapi.json").json

    assert document["openapi"] == "3.1.0"
    for path, operations in document["paths"].items():
        allowed = bank.door.ask("OPTIONS", path.replace("{id}", "alice")).headers["allow"]
        assert {method.upper() for method in operations} <= set(allowed.split(", "))


def test_the_topics_of_the_running_server_are_described_without_a_key(bank: Bank) -> None:
    answer = type(bank.door)(port=bank.api.port, api_key="").get("/asyncapi.json")

    assert answer.status == 200
    channels = answer.json["channels"]
    assert channels["events"]["address"] == "chronos.events.v1"
    assert channels["events"]["bindings"]["kafka"]["partitions"] == 8
