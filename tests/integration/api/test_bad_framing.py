"""Requests that are bad as bytes, and the order in which what is wrong is told."""

from __future__ import annotations

import pytest

from tests.integration.api.answers import check_problem
from tests.integration.api.conftest import Bank
from tests.integration.api.inputs.row import BULK_LIMIT, COMMAND_LIMIT, TRANSFER, plain
from tests.integration.api.wire import connect, exchange, new_key, read_answer


@pytest.mark.parametrize(
    ("name", "head", "code", "status"),
    [
        (
            "content length and transfer encoding",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "bad_request",
            400,
        ),
        (
            "two content lengths",
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "bad_request",
            400,
        ),
        ("a broken chunk", "Transfer-Encoding: chunked\r\n", "bad_request", 400),
    ],
)
def test_a_body_whose_length_is_in_doubt_is_refused_and_the_connection_closed(
    bank: Bank, name: str, head: str, code: str, status: int
) -> None:
    start = bank.door.head("POST", "/v1/transfers", headers={"Idempotency-Key": new_key()})
    start = start.removesuffix(b"\r\n") + b"Content-Type: application/json\r\n"

    with connect(bank.api.port) as connection:
        connection.sendall(start + head.encode() + b"\r\nzz\r\nhello\r\n")
        answer = read_answer(connection)
        rest = connection.recv(1)

    check_problem(answer, status, code)
    assert rest == b"", name


@pytest.mark.parametrize(
    ("path", "limit"), [("/v1/transfers", COMMAND_LIMIT), ("/v1/batches", BULK_LIMIT)]
)
def test_a_chunked_body_over_the_limit_is_refused(bank: Bank, path: str, limit: int) -> None:
    start = bank.door.head(
        "POST",
        path,
        headers={
            "Idempotency-Key": new_key(),
            "Content-Type": "application/json",
            "Transfer-Encoding": "chunked",
        },
    )
    chunk = b"%x\r\n%b\r\n" % (limit + 1, b" " * (limit + 1))

    check_problem(exchange(bank.api.port, start + chunk), 413, "body_too_large")


def test_a_body_that_stalls_is_given_up_in_bounded_time(bank: Bank) -> None:
    start = bank.door.head(
        "POST", "/v1/transfers", headers={"Idempotency-Key": new_key()}, body=plain()
    )

    check_problem(exchange(bank.api.port, start + plain()[:-1]), 408, "request_timeout")


def test_bytes_that_are_not_http_get_a_problem(bank: Bank) -> None:
    check_problem(exchange(bank.api.port, b"\x16\x03\x01 hello\r\n\r\n"), 400, "bad_request")


def test_two_keys_in_one_request_are_refused(bank: Bank) -> None:
    head = bank.door.head(
        "POST", "/v1/transfers", headers={"Idempotency-Key": "a"}, body=plain()
    )
    twice = head.replace(b"Idempotency-Key: a\r\n", b"Idempotency-Key: a\r\n" * 2)

    check_problem(exchange(bank.api.port, twice + plain()), 400, "idempotency_key_invalid")


def test_two_credentials_in_one_request_are_refused(bank: Bank) -> None:
    line = f"Authorization: Bearer {bank.door.api_key}\r\n".encode()
    head = bank.door.head("GET", "/v1/accounts/alice").replace(line, line * 2)

    check_problem(exchange(bank.api.port, head), 401, "unauthenticated")


def test_a_revoked_key_opens_nothing(bank: Bank) -> None:
    check_problem(bank.revoked.get("/v1/accounts/alice"), 401, "unauthenticated")


def test_a_reader_may_not_write(bank: Bank) -> None:
    before = bank.counts()

    check_problem(bank.reader.transfer("alice", "bob", 1), 403, "insufficient_scope")
    assert bank.counts() == before
    assert bank.reader.get("/v1/accounts/alice").status == 200


def test_the_earlier_check_of_two_faults_is_told(bank: Bank) -> None:
    door = bank.door
    unknown = {"Authorization": None, "Content-Type": "text/plain", "Idempotency-Key": None}

    assert door.ask("PUT", "/v1/none", body=b"{", headers=unknown).status == 404
    large = b" " * (COMMAND_LIMIT + 1)
    assert door.ask("POST", "/v1/transfers", body=large, headers=unknown).status == 413
    assert door.ask("POST", "/v1/transfers", body=b"{", headers=unknown).status == 401
    del unknown["Authorization"]
    assert door.ask("POST", "/v1/transfers", body=b"{", headers=unknown).status == 415
    del unknown["Content-Type"]
    answer = door.ask("POST", "/v1/transfers", body=b"{", headers=unknown)
    assert answer.json["code"] == "idempotency_key_missing"
    assert bank.reader.post("/v1/transfers", b"{").status == 400
    assert bank.reader.post("/v1/transfers", b"{}").status == 422


def test_markup_in_a_description_is_stored_as_text(bank: Bank) -> None:
    made = bank.door.post(
        "/v1/transfers", {**TRANSFER.fields, "description": "<script>x</script>"}
    )

    assert made.status == 201
    stored = bank.door.get(made.headers["location"])
    assert stored.json["description"] == "<script>x</script>"


def test_ids_that_differ_in_case_are_two_accounts(bank: Bank) -> None:
    assert bank.door.open_account("Twin").status == 201
    assert bank.door.open_account("twin").status == 201
