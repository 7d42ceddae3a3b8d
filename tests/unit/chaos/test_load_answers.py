"""What an answer says about its operation."""

import aiohttp
import pytest

from chronos.chaos.history import Outcome
from chronos.chaos.load.answers import judged, unanswered
from chronos.wire.problems import problem_body


def problem(code: str) -> bytes:
    return problem_body(code, "A sentence.", instance="/v1/transfers", request_id="req_1")


@pytest.mark.parametrize("status", [200, 201])
def test_a_granted_command_is_ok_and_its_reply_is_kept_as_it_came(status):
    answer = judged(status, b'{"id":"t1"}', location="/v1/transfers/t1", replayed=True)

    assert (answer.outcome, answer.status, answer.code) == (Outcome.OK, status, "")
    assert answer.reply == '{"id":"t1"}'
    assert (answer.location, answer.replayed) == ("/v1/transfers/t1", True)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (409, "insufficient_funds"),
        (422, "currency_mismatch"),
        (412, "version_conflict"),
        (404, "hold_not_found"),
        (401, "unauthenticated"),
    ],
)
def test_a_refusal_in_a_document_is_a_failure(status, code):
    answer = judged(status, problem(code))

    assert (answer.outcome, answer.status, answer.code) == (Outcome.FAIL, status, code)


@pytest.mark.parametrize(
    ("status", "code"),
    [(409, "idempotency_in_progress"), (429, "rate_limited"), (408, "request_timeout")],
)
def test_a_refusal_of_the_attempt_alone_settles_nothing(status, code):
    assert judged(status, problem(code)).outcome is Outcome.INFO


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_no_fault_of_the_server_is_a_failure(status):
    answer = judged(status, problem("unavailable"))

    assert (answer.outcome, answer.status, answer.code) == (Outcome.INFO, status, "unavailable")


@pytest.mark.parametrize(
    "body", [b"", b"<html>Bad Request</html>", b'{"message":"no"}', b"\xff"]
)
def test_a_refusal_without_a_document_settles_nothing(body):
    answer = judged(400, body)

    assert (answer.outcome, answer.code) == (Outcome.INFO, "no_document")


@pytest.mark.parametrize("status", [304, 307])
def test_an_answer_that_the_ledger_never_gives_settles_nothing(status):
    assert judged(status, b"").outcome is Outcome.INFO


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TimeoutError(), "timeout"),
        (aiohttp.ServerTimeoutError(), "timeout"),
        (aiohttp.ServerDisconnectedError(), "reset"),
        (ConnectionResetError(), "reset"),
        (aiohttp.ClientOSError(104, "reset by peer"), "reset"),
        (aiohttp.ClientPayloadError("not all of it"), "cut_off"),
        (aiohttp.ClientConnectionError(), "broken"),
    ],
)
def test_whatever_happens_to_the_connection_settles_nothing(error, code):
    answer = unanswered(error)

    assert (answer.outcome, answer.status, answer.code) == (Outcome.INFO, 0, code)
