"""Journal entries over HTTP: of many postings, across currencies, and swapped back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.api.acts import ACTS, customer, fresh, furnish, hold
from tests.integration.api.answers import check_problem
from tests.integration.api.conftest import Bank
from tests.integration.api.wire import Door

BOOKED_BY = [
    "/v1/transfers",
    "/v1/entries",
    "/v1/exchanges",
    "/v1/transfers/{id}/reverse",
    "/v1/holds/{id}/capture",
]


@pytest.fixture(scope="module")
def furnished(bank: Bank) -> Bank:
    furnish(bank.door)
    return bank


def booked(door: Door, account_id: str) -> int:
    amount: int = door.get(f"/v1/accounts/{account_id}").json["booked"]
    return amount


def pair(first: str, second: str, amount: int) -> list[dict[str, Any]]:
    return [{"account": first, "amount": -amount}, {"account": second, "amount": amount}]


@pytest.mark.parametrize("route", BOOKED_BY)
def test_what_any_command_booked_is_shown_with_all_its_postings(
    furnished: Bank, route: str
) -> None:
    door = furnished.door
    act = ACTS[route](door)
    receipt = act.send(door).json
    transfer_id = receipt.get("transfer_id", receipt["id"])

    document = door.get(f"/v1/transfers/{transfer_id}").json

    postings = document["postings"]
    assert tuple(posting["account"] for posting in postings) == act.accounts
    sums: dict[str, int] = {}
    for posting in postings:
        sums[posting["currency"]] = sums.get(posting["currency"], 0) + posting["amount"]
    assert set(sums.values()) == {0}
    assert document["position"] == receipt["position"]
    assert document["accounts"] == receipt["accounts"]
    shared = document.keys() & receipt.keys() - {"id", "status", "amount", "to", "currency"}
    assert {name: document[name] for name in shared} == {name: receipt[name] for name in shared}
    is_pair = len(postings) == 2
    for name in ("from", "to", "amount", "currency"):
        assert (document[name] is not None) == is_pair


def test_an_entry_of_a_hundred_postings_is_one_entry(furnished: Bank) -> None:
    door = furnished.door
    names = [fresh("leg") for _ in range(99)]
    openings = [{"type": "open_account", "id": name, "currency": "EUR"} for name in names]
    door.made("/v1/batches", {"commands": openings}, status=200)
    postings = [{"account": name, "amount": 1} for name in names]

    fields = {"currency": "EUR", "postings": [{"account": "bank", "amount": -99}, *postings]}
    entry = door.made("/v1/entries", fields)
    reversal = door.made(f"/v1/transfers/{entry['id']}/reverse")

    assert len(entry["postings"]) == len(entry["accounts"]) == 100
    assert [posting["amount"] for posting in reversal["postings"]] == [99, *[-1] * 99]
    assert booked(door, names[0]) == 0


def test_an_entry_between_two_accounts_reads_as_a_transfer(furnished: Bank) -> None:
    door = furnished.door
    payer, payee = customer(door, 10), customer(door)
    turned = list(reversed(pair(payer, payee, 4)))

    entry = door.made("/v1/entries", {"currency": "EUR", "postings": turned})

    assert (entry["from"], entry["to"]) == (payer, payee)
    assert (entry["amount"], entry["currency"]) == (4, "EUR")


def test_an_entry_is_booked_whole_or_not_at_all(furnished: Bank) -> None:
    door = furnished.door
    rich, poor = customer(door, 10), customer(door)
    postings = [*pair(rich, "bob", 5), {"account": poor, "amount": -1}]
    postings.append({"account": "bank", "amount": 1})

    answer = door.post("/v1/entries", {"currency": "EUR", "postings": postings})

    check_problem(answer, 409, "insufficient_funds")
    assert answer.json["errors"][0]["pointer"] == "/postings/2/amount"
    assert booked(door, rich) == 10


def test_an_exchange_goes_through_the_banks_oldest_position_accounts(furnished: Bank) -> None:
    door = furnished.door
    payer, payee = customer(door, 100), fresh("yen")
    assert door.open_account(payee, "JPY").status == 201
    assert door.open_account(fresh("pos"), kind="position").status == 201

    sold = {"from": payer, "to": payee, "sell_amount": 7, "buy_amount": 1131}
    exchange = door.made("/v1/exchanges", sold)

    assert [(p["account"], p["amount"], p["currency"]) for p in exchange["postings"]] == [
        (payer, -7, "EUR"),
        ("pos-eur", 7, "EUR"),
        ("pos-jpy", -1131, "JPY"),
        (payee, 1131, "JPY"),
    ]


def test_an_exchange_goes_through_the_position_accounts_that_are_named(
    furnished: Bank,
) -> None:
    door = furnished.door
    payer, payee, desk = customer(door, 100), fresh("yen"), fresh("desk")
    assert door.open_account(payee, "JPY").status == 201
    assert door.open_account(desk, kind="position").status == 201

    fields = {
        "from": payer,
        "to": payee,
        "sell_amount": 7,
        "buy_amount": 1131,
        "sell_currency": "EUR",
        "buy_currency": "JPY",
        "sell_position": desk,
    }
    exchange = door.made("/v1/exchanges", fields)
    foreign = door.post("/v1/exchanges", {**fields, "sell_position": "pos-jpy"})

    assert [p["account"] for p in exchange["postings"]] == [payer, desk, "pos-jpy", payee]
    check_problem(foreign, 409, "position_account_missing")


def test_an_exchange_is_reversed_in_both_currencies(furnished: Bank) -> None:
    door = furnished.door
    act = ACTS["/v1/exchanges"](door)
    exchange = act.send(door).json

    reversal = door.made(f"/v1/transfers/{exchange['id']}/reverse")

    assert reversal["reverses"] == exchange["id"]
    assert [posting["amount"] for posting in reversal["postings"]] == [
        -posting["amount"] for posting in exchange["postings"]
    ]
    assert booked(door, act.accounts[0]) == 100


def test_the_money_of_a_capture_is_given_back_and_the_hold_stays_captured(
    furnished: Bank,
) -> None:
    door = furnished.door
    payer, payee = customer(door, 100), customer(door)
    held = hold(door, payer, 60)
    captured = door.made(f"/v1/holds/{held}/capture", {"to": payee, "amount": 40}, status=200)

    fields = {"description": "never arrived", "metadata": {"case": "7"}}
    reversal = door.made(f"/v1/transfers/{captured['transfer_id']}/reverse", fields)

    assert (reversal["from"], reversal["to"], reversal["amount"]) == (payee, payer, 40)
    assert {name: reversal[name] for name in fields} == fields
    assert door.get(f"/v1/holds/{held}").json["status"] == "captured"
    assert booked(door, payer) == 100


def test_a_reversal_needs_the_money_to_be_there(furnished: Bank) -> None:
    door = furnished.door
    payer, payee = customer(door, 10), customer(door)
    made = door.transfer(payer, payee, 10).json
    assert door.transfer(payee, "bob", 1).status == 201

    check_problem(
        door.post(f"/v1/transfers/{made['id']}/reverse", {}), 409, "insufficient_funds"
    )


def test_a_transfer_is_reversed_once_and_a_reversal_never(furnished: Bank) -> None:
    door = furnished.door
    made = door.transfer(customer(door, 10), "bob", 10).json
    reversal = door.made(f"/v1/transfers/{made['id']}/reverse")

    again = door.post(f"/v1/transfers/{made['id']}/reverse", {})
    back = door.post(f"/v1/transfers/{reversal['id']}/reverse", {})

    check_problem(again, 409, "already_reversed")
    check_problem(back, 409, "not_reversible")
