"""Days and names from elsewhere: value dates, the day an account opened, external ids."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from chronos.domain.checks import VALUE_DATE_AHEAD_MAX, VALUE_DATE_BACK_MAX
from tests.integration.api.acts import customer, fresh, furnish, hold
from tests.integration.api.answers import check_problem
from tests.integration.api.conftest import Bank
from tests.integration.api.wire import Door

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def furnished(bank: Bank) -> Bank:
    furnish(bank.door)
    return bank


def today() -> date:
    """The bank's own day; its zone is UTC here."""
    return datetime.now(UTC).date()


def aged(door: Door, opened_on: date, **fields: Any) -> str:
    """Opens an account that counts as open since a day."""
    account_id = fresh("aged")
    answer = door.open_account(account_id, opened_on=str(opened_on), **fields)
    assert answer.status == 201, answer.json
    return account_id


def pay(door: Door, source: str, to: str, day: date) -> Any:
    fields = {"from": source, "to": to, "amount": 1, "currency": "EUR"}
    return door.post("/v1/transfers", {**fields, "value_date": str(day)})


def test_an_account_counts_as_open_since_the_day_that_was_asked_for(furnished: Bank) -> None:
    door, day = furnished.door, today() - 400 * DAY
    account_id = aged(door, day)

    shown = door.get(f"/v1/accounts/{account_id}").json

    assert shown["opened_on"] == str(day)
    assert shown["opened_at"].startswith(str(today()))


def test_a_balance_for_a_day_before_the_first_names_the_first(furnished: Bank) -> None:
    door, day = furnished.door, today() - 400 * DAY
    account_id = aged(door, day)

    first = door.get(f"/v1/accounts/{account_id}/balance?value_date={day}")
    before = door.get(f"/v1/accounts/{account_id}/balance?value_date={day - DAY}")

    assert first.status == 200
    assert (before.status, before.json["code"]) == (404, "account_not_found")
    assert before.json["detail"].endswith(f"it was opened on {day}.")


def test_an_account_opens_today_unless_asked_otherwise(furnished: Bank) -> None:
    account_id = customer(furnished.door)

    assert furnished.door.get(f"/v1/accounts/{account_id}").json["opened_on"] == str(today())


@pytest.mark.parametrize(
    ("days", "status"),
    [(0, 201), (-1, 201), (-VALUE_DATE_BACK_MAX.days, 201), (1, 422), (-3654, 422)],
)
def test_an_account_opens_within_ten_years_back(
    furnished: Bank, days: int, status: int
) -> None:
    day = today() + days * DAY

    answer = furnished.door.open_account(fresh("aged"), opened_on=str(day))

    assert answer.status == status
    if status == 422:
        check_problem(answer, 422, "date_invalid")
        assert answer.json["errors"][0]["pointer"] == "/opened_on"


def test_a_value_date_may_lie_back_to_the_day_both_accounts_were_opened(
    furnished: Bank,
) -> None:
    door, day = furnished.door, today() - 30 * DAY
    older = aged(door, day - 30 * DAY, overdraft_limit=10)
    younger = aged(door, day)

    on_the_day = pay(door, older, younger, day)
    before = pay(door, older, younger, day - DAY)

    assert on_the_day.status == 201
    assert on_the_day.json["value_date"] == str(day)
    check_problem(before, 422, "date_invalid")
    assert younger in before.json["detail"]


@pytest.mark.parametrize(
    ("days", "status"),
    [
        (-VALUE_DATE_BACK_MAX.days, 201),
        (-VALUE_DATE_BACK_MAX.days - 1, 422),
        (VALUE_DATE_AHEAD_MAX.days, 201),
        (VALUE_DATE_AHEAD_MAX.days + 1, 422),
    ],
)
def test_a_value_date_lies_within_its_bounds(furnished: Bank, days: int, status: int) -> None:
    door = furnished.door
    source = aged(door, today() - VALUE_DATE_BACK_MAX, overdraft_limit=10)
    to = aged(door, today() - VALUE_DATE_BACK_MAX)

    answer = pay(door, source, to, today() + days * DAY)

    assert answer.status == status, answer.json


def test_a_value_date_is_taken_by_every_command_that_moves_money(furnished: Bank) -> None:
    door, day = furnished.door, today() - 5 * DAY
    source = aged(door, day, overdraft_limit=100)
    to, yen = aged(door, day), fresh("yen")
    assert door.open_account(yen, "JPY", opened_on=str(day)).status == 201
    for account, currency in (("old-eur", "EUR"), ("old-jpy", "JPY")):
        opened = door.open_account(account, currency, kind="position", opened_on=str(day))
        assert opened.status == 201
    old = {"value_date": str(day)}
    pair = [{"account": source, "amount": -1}, {"account": to, "amount": 1}]
    through = {"sell_position": "old-eur", "buy_position": "old-jpy"}
    held = hold(door, source, 5)

    entry = door.made("/v1/entries", {"postings": pair, "currency": "EUR", **old})
    sold = {"from": source, "to": yen, "sell_amount": 1, "buy_amount": 150}
    exchange = door.made("/v1/exchanges", {**sold, **through, **old})
    capture = door.made(f"/v1/holds/{held}/capture", {"to": to, **old}, status=200)
    reversal = door.made(f"/v1/transfers/{entry['id']}/reverse", old)

    moved = door.get(f"/v1/transfers/{capture['transfer_id']}").json
    for document in (entry, exchange, reversal, moved):
        assert document["value_date"] == str(day)


def test_a_reversal_is_of_today_unless_asked_otherwise(furnished: Bank) -> None:
    door, day = furnished.door, today() - 5 * DAY
    source, to = aged(door, day, overdraft_limit=100), aged(door, day)
    booked = pay(door, source, to, day).json

    reversal = door.made(f"/v1/transfers/{booked['id']}/reverse")

    assert (booked["value_date"], reversal["value_date"]) == (str(day), str(today()))


def test_an_external_id_names_one_account_only(furnished: Bank) -> None:
    door, name = furnished.door, fresh("iban")
    first = door.open_account(fresh("acc"), external_id=name)

    second = door.open_account(fresh("acc"), external_id=name)

    assert first.json["external_id"] == name
    check_problem(second, 409, "external_id_exists")
    assert second.json["errors"][0]["pointer"] == "/external_id"


def test_an_external_id_may_name_many_transfers(furnished: Bank) -> None:
    door, name = furnished.door, "invoice 2031/7 \u2013 \u00e9tage \U0001f600"
    fields = {"from": "bank", "to": customer(door), "amount": 1, "currency": "EUR"}

    first = door.made("/v1/transfers", {**fields, "external_id": name})
    second = door.made("/v1/transfers", {**fields, "external_id": name})

    assert first["external_id"] == second["external_id"] == name
    assert door.get(f"/v1/transfers/{first['id']}").json["external_id"] == name


def test_two_openings_of_one_external_id_at_once_leave_one_account(furnished: Bank) -> None:
    door, name = furnished.door, fresh("iban")
    openings = [
        {"type": "open_account", "currency": "EUR", "external_id": name} for _ in range(2)
    ]

    results = door.made("/v1/batches", {"commands": openings}, status=200)["results"]

    assert [result["status"] for result in results] == [201, 409]
    assert results[1]["body"]["code"] == "external_id_exists"
