"""When the client asks again, and how long it waits."""

from chronos.client.answers import Problem
from chronos.client.retrying import Backoff, is_retryable, retry_after_s


def test_the_ceiling_doubles_until_its_bound():
    backoff = Backoff(first_s=0.05, most_s=2.0)

    waits = [backoff.wait_s(n, chance=lambda: 1.0, retry_after_s=0) for n in range(1, 9)]

    assert waits == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


def test_full_jitter_may_wait_nothing_at_all():
    assert Backoff().wait_s(7, chance=lambda: 0.0, retry_after_s=0) == 0.0


def test_what_the_server_asked_for_is_the_least_wait():
    assert Backoff().wait_s(1, chance=lambda: 0.0, retry_after_s=3) == 3.0


def test_a_thousandth_attempt_does_not_overflow():
    assert Backoff(most_s=2.0).wait_s(5000, chance=lambda: 1.0, retry_after_s=0) == 2.0


def test_a_refusal_is_not_retried_but_a_key_in_progress_is():
    refusal = Problem(status=409, code="insufficient_funds")
    running = Problem(status=409, code="idempotency_in_progress", retryable=True)

    assert not is_retryable(refusal)
    assert is_retryable(running)
    assert is_retryable(Problem(status=503, code="unavailable"))


def test_retry_after_that_is_not_a_number_of_seconds_is_ignored():
    assert retry_after_s({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}) == 0.0
    assert retry_after_s({"Retry-After": "-3"}) == 0.0
    assert retry_after_s({"Retry-After": "9" * 400}) == 60.0
    assert retry_after_s({"Retry-After": "2"}) == 2.0
    assert retry_after_s({}) == 0.0
