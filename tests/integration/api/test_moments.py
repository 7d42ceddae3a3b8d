"""Balances at a moment and for a banking day, and the books at any moment, over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.api.conftest import Bank

TICK = timedelta(microseconds=1)
AFTER_ALL = "9999-12-31T23:59:59.999999Z"


def instant_of(text: str) -> datetime:
    return datetime.fromisoformat(text)


def written(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.fixture(scope="module")
def history(bank: Bank) -> list[dict]:
    """Receipts of three transfers to an account of its own, oldest first."""
    bank.door.open_account("dated")
    receipts = [bank.door.transfer("bank", "dated", amount).json for amount in (5, 7, 11)]
    assert len({receipt["recorded_at"] for receipt in receipts}) == 3
    return receipts


def test_a_balance_at_a_moment_is_what_the_receipt_of_that_moment_said(
    bank: Bank, history: list[dict]
) -> None:
    for receipt in history:
        at = receipt["recorded_at"]
        answer = bank.door.get(f"/v1/accounts/dated/balance?at={at}")
        said = receipt["accounts"]["dated"]

        assert answer.status == 200
        assert answer.headers["etag"] == f'"{said["version"]}"'
        assert answer.json == {
            "account": "dated",
            "currency": "EUR",
            "booked": said["booked"],
            "held": said["held"],
            "available": said["available"],
            "version": said["version"],
            "as_of": at,
            "source": "journal",
            "at": at,
            "final": answer.json["final"],
        }


def test_a_microsecond_earlier_the_balance_is_the_one_before(
    bank: Bank, history: list[dict]
) -> None:
    before = written(instant_of(history[1]["recorded_at"]) - TICK)
    answer = bank.door.get(f"/v1/accounts/dated/balance?at={before}").json

    assert (answer["version"], answer["booked"]) == (2, 5)
    assert answer["at"] == before
    assert answer["as_of"] == history[0]["recorded_at"]


def test_digits_beyond_the_microsecond_do_not_reach_into_the_future(
    bank: Bank, history: list[dict]
) -> None:
    before = written(instant_of(history[1]["recorded_at"]) - TICK).replace("Z", "999z")

    assert bank.door.get(f"/v1/accounts/dated/balance?at={before}").json["version"] == 2


@pytest.mark.usefixtures("history")
def test_a_moment_to_come_answers_what_is_known_and_is_not_final(bank: Bank) -> None:
    answer = bank.door.get(f"/v1/accounts/dated/balance?at={AFTER_ALL}").json

    assert (answer["booked"], answer["final"]) == (23, False)


def test_a_moment_before_the_opening_is_404_and_says_when_that_was(bank: Bank) -> None:
    opened_at = bank.door.get("/v1/accounts/alice").json["opened_at"]
    answer = bank.door.get("/v1/accounts/alice/balance?at=2001-01-01T00:00:00Z")

    assert (answer.status, answer.json["code"]) == (404, "account_not_found")
    assert opened_at in answer.json["detail"]
    at_once = bank.door.get(f"/v1/accounts/alice/balance?at={opened_at}").json
    assert (at_once["version"], at_once["booked"]) == (1, 0)


def test_a_balance_for_a_day_leaves_out_what_is_valued_later(bank: Bank) -> None:
    bank.door.open_account("valued", overdraft_limit=100)
    today = datetime.now(UTC).date()
    for days, amount in [(0, 5), (1, 7), (3, 11)]:
        body = {
            "from": "bank",
            "to": "valued",
            "amount": amount,
            "currency": "EUR",
            "value_date": str(today + timedelta(days=days)),
        }
        assert bank.door.post("/v1/transfers", body).status == 201

    answers = [
        bank.door.get(f"/v1/accounts/valued/balance?value_date={today + timedelta(days=days)}")
        for days in range(4)
    ]

    assert [answer.json["booked"] for answer in answers] == [5, 12, 12, 23]
    assert [answer.json["available"] for answer in answers] == [105, 112, 112, 123]
    assert {answer.json["version"] for answer in answers} == {4}
    assert answers[0].json["value_date"] == str(today)
    assert "final" not in answers[0].json
    now = bank.door.get("/v1/accounts/valued/balance").json
    assert now["booked"] == 23
    assert not {"at", "final", "value_date"} & now.keys()


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("at=2026-01-01T00:00:00Z&value_date=2026-01-01", 400, "invalid_parameter"),
        ("at=2026-01-01", 400, "invalid_parameter"),
        ("at=10000-01-01T00:00:00Z", 400, "invalid_parameter"),
        ("value_date=2023-02-29", 400, "invalid_parameter"),
        ("value_date=2026-01-01T00:00:00Z", 400, "invalid_parameter"),
        ("from=2026-01-01", 400, "invalid_parameter"),
        ("value_date=2001-01-01", 404, "account_not_found"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    bank: Bank, query: str, status: int, code: str
) -> None:
    answer = bank.door.get(f"/v1/accounts/alice/balance?{query}")

    assert (answer.status, answer.json["code"]) == (status, code)


@pytest.mark.parametrize("query", ["", "?at=2026-01-01T00:00:00Z", "?value_date=2026-01-01"])
def test_an_unknown_account_has_no_balance_at_any_time(bank: Bank, query: str) -> None:
    answer = bank.door.get(f"/v1/accounts/nobody/balance{query}")

    assert (answer.status, answer.json["code"]) == (404, "account_not_found")
    assert answer.json["detail"] == "There is no account nobody."


def test_the_books_are_balanced_at_every_recorded_moment(
    bank: Bank, history: list[dict]
) -> None:
    customers = []
    for receipt in history:
        books = bank.door.get(f"/v1/trial-balance?at={receipt['recorded_at']}").json
        assert books["at"] == receipt["recorded_at"]
        assert books["balanced"] is True
        assert set(books["totals"].values()) == {0}
        customers += [
            line["booked"]
            for line in books["lines"]
            if (line["kind"], line["currency"]) == ("customer", "EUR")
        ]

    assert [later - customers[0] for later in customers] == [0, 7, 18]


def test_before_the_first_account_the_books_are_empty_and_final(bank: Bank) -> None:
    books = bank.door.get("/v1/trial-balance?at=2001-01-01T00:00:00Z").json

    assert (books["lines"], books["totals"], books["balanced"]) == ([], {}, True)
    assert books["final"] is True
    assert bank.door.get("/v1/trial-balance").json["final"] is False


def test_the_document_knows_both_forms(bank: Bank) -> None:
    operation = bank.door.get("/openapi.json").json["paths"]["/v1/accounts/{id}/statement"][
        "get"
    ]

    assert operation["responses"]["200"]["content"].keys() == {"application/json", "text/csv"}
    names = {parameter["name"] for parameter in operation["parameters"]}
    assert names == {"id", "from", "to", "format", "limit", "cursor"}


def test_a_bank_at_work_states_what_it_has_booked(bank: Bank) -> None:
    bank.door.open_account("worker")
    for amount in (5, 7, 11):
        assert bank.door.transfer("bank", "worker", amount).status == 201
    assert bank.door.transfer("worker", "bank", 3).status == 201

    document = bank.door.get("/v1/accounts/worker/statement").json

    assert [line["amount"] for line in document["lines"]] == [5, 7, 11, -3]
    assert [line["booked_after"] for line in document["lines"]] == [5, 12, 23, 20]
    assert document["from"] == bank.door.get("/v1/accounts/worker").json["opened_at"]
    assert document["closing_version"] == 5
