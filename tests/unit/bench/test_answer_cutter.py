"""The driver's reader of answers: any cut of the bytes gives the same statuses."""

import pytest

from chronos.bench.answers import AnswerCutter, AnswerFault

TWO = (
    b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\ncontent-length: 3\r\n\r\n{1}"
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n"
)


@pytest.mark.parametrize("step", [1, 2, 7, 30, len(TWO)])
def test_the_cut_of_the_bytes_does_not_matter(step):
    cutter = AnswerCutter()

    statuses = [
        status for at in range(0, len(TWO), step) for status in cutter.feed(TWO[at : at + step])
    ]

    assert statuses == [201, 503]


def test_an_answer_without_a_length_is_a_fault():
    with pytest.raises(AnswerFault):
        AnswerCutter().feed(b"HTTP/1.1 200 OK\r\n\r\n")


def test_something_else_than_http_is_a_fault():
    with pytest.raises(AnswerFault):
        AnswerCutter().feed(b"SSH-2.0-x\r\n\r\n")
