"""The life of a hold over HTTP: placed once, ended once, and read at every stage."""

from __future__ import annotations

import concurrent.futures
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from chronos.domain.account import HOLDS_MAX
from tests.databases import Database
from tests.integration.api.acts import customer, fresh, hold
from tests.integration.api.answers import check_problem
from tests.integration.api.conftest import Bank
from tests.integration.api.running import is_ready, make_key, running_api, wait_until
from tests.integration.api.wire import Answer, Door, new_key

UNENDED = {"captured_amount": None, "to": None, "transfer_id": None, "ended_at": None}


def balances(door: Door, account_id: str) -> tuple[int, int, int]:
    shown = door.get(f"/v1/accounts/{account_id}").json
    return shown["booked"], shown["held"], shown["available"]


def shown(door: Door, hold_id: str) -> dict[str, Any]:
    document: dict[str, Any] = door.get(f"/v1/holds/{hold_id}").json
    return document


def test_an_open_hold_is_shown_as_its_receipt_told(bank: Bank) -> None:
    door = bank.door
    fields = {
        "id": fresh("hold"),
        "account": customer(door, 100),
        "amount": 60,
        "currency": "EUR",
        "expires_at": "2099-01-01T02:00:00+02:00",
        "description": "hotel",
        "metadata": {"room": "7"},
    }

    placed = door.post("/v1/holds", fields)

    document = shown(door, placed.json["id"])
    assert placed.headers["location"] == f"/v1/holds/{fields['id']}"
    assert document == {
        name: value
        for name, value in placed.json.items()
        if name not in ("position", "accounts")
    }
    assert document["status"] == "open"
    assert document["expires_at"] == "2099-01-01T00:00:00.000000Z"
    assert {name: document[name] for name in UNENDED} == UNENDED
    assert {name: document[name] for name in fields if name != "expires_at"} == {
        name: value for name, value in fields.items() if name != "expires_at"
    }


def test_a_hold_takes_from_what_is_available_and_from_nothing_else(bank: Bank) -> None:
    door = bank.door
    account = customer(door, 100)

    hold(door, account, 60)

    assert balances(door, account) == (100, 60, 40)
    check_problem(door.transfer(account, "bob", 41), 409, "insufficient_funds")
    assert door.transfer(account, "bob", 40).status == 201


def test_a_capture_moves_its_part_and_gives_back_the_rest(bank: Bank) -> None:
    door = bank.door
    payer, payee = customer(door, 100), customer(door)
    held = hold(door, payer, 60)

    captured = door.made(f"/v1/holds/{held}/capture", {"to": payee, "amount": 40}, status=200)

    assert (captured["status"], captured["amount"]) == ("captured", 60)
    assert (captured["captured_amount"], captured["to"]) == (40, payee)
    assert balances(door, payer) == (60, 0, 60)
    assert balances(door, payee) == (40, 0, 40)
    document = shown(door, held)
    assert {name: captured[name] for name in document if name in captured} == {
        name: value for name, value in document.items() if name in captured
    }
    moved = door.get(f"/v1/transfers/{captured['transfer_id']}").json
    assert (moved["from"], moved["to"], moved["amount"]) == (payer, payee, 40)


def test_a_capture_without_an_amount_moves_all_of_the_hold(bank: Bank) -> None:
    door = bank.door
    payer = customer(door, 100)
    held, moved = hold(door, payer, 60), fresh("trf")

    fields = {"to": "bob", "transfer_id": moved, "description": "checked out"}
    captured = door.made(f"/v1/holds/{held}/capture", fields, status=200)

    assert (captured["captured_amount"], captured["transfer_id"]) == (60, moved)
    assert door.get(f"/v1/transfers/{moved}").json["description"] == "checked out"


def test_a_voided_hold_moves_nothing_and_cannot_be_ended_again(bank: Bank) -> None:
    door = bank.door
    payer = customer(door, 100)
    held = hold(door, payer, 60)

    voided = door.made(f"/v1/holds/{held}/void", {"description": "no show"}, status=200)

    assert (voided["status"], voided["captured_amount"]) == ("voided", None)
    assert balances(door, payer) == (100, 0, 100)
    assert shown(door, held)["status"] == "voided"
    assert shown(door, held)["ended_at"] == voided["ended_at"] is not None
    again = door.post(f"/v1/holds/{held}/void", {})
    capture = door.post(f"/v1/holds/{held}/capture", {"to": "bob"})
    for answer in (again, capture):
        check_problem(answer, 409, "hold_not_open")


def test_an_expired_hold_cannot_be_captured_but_still_be_voided(bank: Bank) -> None:
    door = bank.door
    payer = customer(door, 100)
    soon = datetime.now(UTC) + timedelta(seconds=0.3)
    held = hold(door, payer, 60, expires_at=soon.isoformat())
    path = f"/v1/holds/{held}/capture"
    wait_until(lambda: door.post(f"{path}?dry_run=true", {"to": "bob"}).status == 409, 20)

    check_problem(door.post(path, {"to": "bob"}), 409, "hold_not_open")
    door.made(f"/v1/holds/{held}/void", status=200)
    assert balances(door, payer) == (100, 0, 100)


def test_a_hold_of_a_frozen_account_can_be_voided_but_not_captured(
    bank: Bank,
) -> None:
    door = bank.door
    payer = customer(door, 100)
    held = hold(door, payer, 60)
    door.made(f"/v1/accounts/{payer}/freeze", {"scope": "debits"}, status=200)

    capture = door.post(f"/v1/holds/{held}/capture", {"to": "bob"})
    void = door.post(f"/v1/holds/{held}/void", {})

    check_problem(capture, 409, "account_frozen")
    assert void.status == 200


def test_an_account_holds_so_many_at_most_and_is_served_all_the_same(bank: Bank) -> None:
    door = bank.door
    account = customer(door, HOLDS_MAX)
    one = {"account": account, "amount": 1, "currency": "EUR"}
    many = {"commands": [{"type": "hold", **one}] * HOLDS_MAX}
    results = door.made("/v1/batches", many, status=200)["results"]
    assert {result["status"] for result in results} == {201}
    assert door.transfer("bank", account, 1).status == 201

    one_more = door.post("/v1/holds", one)

    check_problem(one_more, 409, "too_many_holds")
    door.made(f"/v1/holds/{results[0]['body']['id']}/void", status=200)
    door.made("/v1/holds", one)


def test_twenty_captures_of_one_hold_at_once_are_one_capture(bank: Bank) -> None:
    door = bank.door
    payer, payee = customer(door, 100), customer(door)
    path = f"/v1/holds/{hold(door, payer, 60)}/capture"

    with concurrent.futures.ThreadPoolExecutor(20) as threads:
        answers = list(
            threads.map(lambda _: door.post(path, {"to": payee, "amount": 5}), range(20))
        )

    assert sorted(answer.status for answer in answers) == [200] + [409] * 19
    assert balances(door, payee) == (5, 0, 5)
    assert balances(door, payer) == (95, 0, 95)


def test_fifty_posts_of_one_capture_at_two_processes_are_one_capture(
    bank: Bank, own_database: Database, tmp_path: Path
) -> None:
    assert bank.door.get("/v1/accounts/bank").status == 200  # which funds the payer
    with running_api(own_database, tmp_path, api_processes=2) as api:
        wait_until(lambda: is_ready(api.admin_port + 1), 20, api.log.read_text)
        door = api.door(make_key(own_database, "two-doors", "read", "write"))
        payer, payee, key = customer(door, 100), customer(door), new_key()
        path = f"/v1/holds/{hold(door, payer, 60)}/capture"

        def capture(_: int) -> Answer:
            return door.post(path, {"to": payee, "amount": 40}, key=key)

        with concurrent.futures.ThreadPoolExecutor(50) as threads:
            answers = list(threads.map(capture, range(50)))

        granted = [answer for answer in answers if answer.status == 200]
        busy = [answer for answer in answers if answer.status != 200]
        assert len({answer.body for answer in granted}) == 1
        assert sum("idempotent-replayed" not in answer.headers for answer in granted) == 1
        for answer in busy:
            check_problem(answer, 409, "idempotency_in_progress")
            assert answer.headers["retry-after"] == "1"
        assert capture(0).headers["idempotent-replayed"] == "true"
        assert balances(door, payee) == (40, 0, 40)
        assert balances(door, payer) == (60, 0, 60)
        assert api.stop() == 0
