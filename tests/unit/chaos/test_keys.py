"""C9: one key, one execution, one answer."""

import dataclasses

import msgspec
import pytest

from chronos.chaos.bank import accounts
from chronos.chaos.checkers.keys import idempotent
from chronos.chaos.checkers.probe import judge, judge_events, request_body
from chronos.chaos.history import Attempt, Kind, Outcome
from tests.unit.chaos.town import (
    MS,
    Town,
    answer_with,
    event_of,
    named,
    of_kind,
    pay,
    small_town,
)


@pytest.fixture
def town() -> Town:
    return small_town()


def found(town, journal=None):
    return idempotent(journal or town.journal(), town.history, ()).violations


def lost(begin_ms: int, end_ms: int) -> Attempt:
    """An attempt without an answer."""
    return Attempt(
        invoked_ns=begin_ms * MS,
        completed_ns=end_ms * MS,
        outcome=Outcome.INFO,
        code="timeout",
    )


def test_keys_that_were_used_once_or_repeated_well_pass(town):
    town.retry(named(town, "t5"))  # a refusal is kept too
    judged = idempotent(town.journal(), town.history, ())

    assert (judged.violations, judged.looked_at) == ((), 11)


@pytest.mark.parametrize(
    "changes",
    [{"status": 200}, {"reply": "{}"}, {"location": "/v1/transfers/t2"}],
)
def test_a_repeated_answer_that_differs_is_found(town, changes):
    answer_with(of_kind(town, Kind.RETRY), **changes)

    (only,) = found(town)
    assert only.startswith("key t1 was answered with 201 /v1/transfers/t1")


def test_a_refusal_that_became_a_success_is_found(town):
    operation = named(town, "t5")
    again = town.retry(operation)
    answer_with(again, outcome=Outcome.OK, status=201, reply="{}")

    assert "key t5 was answered with 409" in found(town)[0]


def test_a_repetition_that_does_not_say_so_is_found(town):
    answer_with(of_kind(town, Kind.RETRY), replayed=False)

    assert found(town) == (
        "key t1 was executed anew, says more than one answer",
        found(town)[1],
    )
    assert found(town)[1].endswith("after its first answer, not as repeated")


def test_a_first_answer_that_says_it_is_repeated_is_found(town):
    answer_with(named(town, "t2"), replayed=True)

    assert found(town) == ("key t2 was answered as repeated at its first use",)


def test_after_an_attempt_without_an_answer_the_first_answer_may_be_a_repetition(town):
    operation = named(town, "t2")
    answer_with(operation, replayed=True)
    operation.attempts.insert(0, lost(1, 2))

    assert found(town) == ()


def test_after_an_attempt_without_an_answer_the_first_answer_may_be_the_execution(town):
    operation = named(town, "t2")
    operation.attempts.insert(0, lost(1, 2))
    town.retry(operation)

    assert found(town) == ()


def test_an_attempt_without_an_answer_that_came_later_explains_nothing(town):
    operation = named(town, "t2")
    answer_with(operation, replayed=True)
    operation.attempts.append(lost(9_000, 9_001))

    assert found(town) == ("key t2 was answered as repeated at its first use",)


def test_one_key_with_two_transfers_is_found(town):
    journal = town.journal()
    journal.accounts["alice"].append(
        msgspec.structs.replace(event_of(journal, "t2"), transfer_id="t2-again")
    )

    assert found(town, journal) == ("key t2 led to transfers t2, t2-again",)


def test_one_key_with_two_holds_is_found(town):
    journal = town.journal()
    journal.accounts["alice"].append(event_of(journal, "h2"))

    assert found(town, journal) == ("key h2 led to 2 times HoldPlaced",)


def test_one_key_with_two_meanings_is_found(town):
    again = of_kind(town, Kind.RETRY)
    again.body = again.body.replace("50", "51")

    assert found(town) == ("key t1 was sent with 2 meanings",)


def test_a_request_that_is_no_decision_may_be_answered_anew(town):
    operation = pay(town, "t6", "alice", "bob", 1)
    answer_with(operation, outcome=Outcome.FAIL, status=422, reply='{"request_id":"1"}')
    operation.attempts.append(
        dataclasses.replace(operation.attempts[0], reply='{"request_id":"2"}')
    )
    journal = town.journal()
    del journal.receipts["tester", "t6"]

    assert found(town, journal) == ()


def test_what_the_probe_found_is_told(town):
    judged = idempotent(town.journal(), town.history, ["of 50 requests 2 were executed"])

    assert judged.violations == ("of 50 requests 2 were executed",)


FIRST = (201, b"{}", "/v1/transfers/x", False)
AGAIN = (201, b"{}", "/v1/transfers/x", True)
BUSY = (409, b'{"code":"idempotency_in_progress"}', "", False)


def test_one_execution_among_repetitions_and_busy_answers_passes():
    assert judge([AGAIN, FIRST, AGAIN, BUSY]) == []


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([FIRST, FIRST, AGAIN], "of 3 requests at once 2 were executed, not one"),
        ([AGAIN, AGAIN], "of 2 requests at once 0 were executed, not one"),
        (
            [FIRST, (201, b"[]", "", True)],
            "requests at once with one key got different answers",
        ),
        ([FIRST, (409, b"{}", "", False)], "1 of 2 requests at once were answered with 409"),
        ([FIRST, (503, b"", "", False)], "1 of 2 requests at once were answered with 503"),
    ],
)
def test_anything_else_among_requests_at_once_is_told(answers, words):
    assert judge(answers) == [words]


def test_the_probe_left_one_event_on_the_payer(town):
    events = town.journal().accounts["bank"]

    assert judge_events("t1", events) == []
    assert judge_events("t2", events) == [
        "50 requests at once with one key left 0 events on the payer"
    ]
    assert judge_events("t1", [*events, events[-1]]) == [
        "50 requests at once with one key left 2 events on the payer"
    ]


def test_the_probe_moves_money_between_accounts_of_one_currency():
    bank = {one.account_id: one for one in accounts()}
    asked = request_body("probe", accounts())

    assert bank[asked["from"]].overdraft_limit is None
    assert bank[asked["to"]].currency == bank[asked["from"]].currency == asked["currency"]
