"""The driver's reader of answers: any cut of the bytes gives the same; each has its worth."""

import pytest

from chronos.bench.answers import (
    Answer,
    AnswerCutter,
    AnswerFault,
    batch_judge,
    judge_transfer,
    read_judge,
)

TWO = (
    b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\ncontent-length: 3\r\n\r\n{1}"
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n"
)
BOOKED = b'{"status":201,"replayed":false,"body":{"status":"booked"}}'
REFUSED = b'{"status":409,"replayed":false,"body":{"code":"insufficient_funds","status":409}}'


@pytest.mark.parametrize("step", [1, 2, 7, 30, len(TWO)])
def test_the_cut_of_the_bytes_does_not_matter(step):
    cutter = AnswerCutter()

    answers = [
        answer for at in range(0, len(TWO), step) for answer in cutter.feed(TWO[at : at + step])
    ]

    assert answers == [(201, b"{1}"), (503, b"")]


def test_an_answer_without_a_length_is_a_fault():
    with pytest.raises(AnswerFault):
        AnswerCutter().feed(b"HTTP/1.1 200 OK\r\n\r\n")


def test_something_else_than_http_is_a_fault():
    with pytest.raises(AnswerFault):
        AnswerCutter().feed(b"SSH-2.0-x\r\n\r\n")


def test_a_refused_transfer_counts_by_status_and_code():
    worth = judge_transfer(Answer(409, b'{"status":409,"code":"insufficient_funds"}'))

    assert (worth.done, worth.failures) == (0, {"409 insufficient_funds": 1})
    assert judge_transfer(Answer(502, b"<html>")).failures == {"502 without a code": 1}
    assert judge_transfer(Answer(201, b"{}")) == (1, None)


def test_of_a_batch_counts_what_was_booked():
    judge = batch_judge(3)
    whole = b'{"results":[%b]}' % b",".join([BOOKED] * 3)
    part = b'{"results":[%b]}' % b",".join([BOOKED, REFUSED, BOOKED])

    assert judge(Answer(200, whole)) == (3, None)
    assert judge(Answer(200, part)) == (2, {"in a batch: insufficient_funds": 1})
    assert judge(Answer(200, b"{}")) == (0, {"in a batch: unknown": 3})
    assert judge(Answer(409, b'{"code":"batch_rejected"}')) == (0, {"409 batch_rejected": 3})


def test_a_read_from_elsewhere_is_no_success():
    judge = read_judge('"source":"redis"')

    assert judge(Answer(200, b'{"source":"redis"}')).done == 1
    assert judge(Answer(200, b'{"source":"table"}')) == (
        0,
        {'200 without "source":"redis"': 1},
    )
    assert judge(Answer(503, b'{"code":"unavailable"}')).failures == {"503 unavailable": 1}
