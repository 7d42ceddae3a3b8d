"""The usual answer in one piece says what aiohttp's own response says."""

import asyncio

import pytest
from aiohttp import HttpVersion10, HttpVersion11

from chronos.plain_http import UNSENT_BYTES_MAX, PlainResponse, is_plain, plain_response
from tests.unit.api.test_door import HEAD, REQUEST, bench, read_answer

__all__ = ["bench"]

CLOSING = REQUEST.replace(b"Host: x\r\n", b"Host: x\r\nConnection: close\r\n")
OF_THE_CONNECTION = {"connection", "date", "x-request-id"}


class Request:
    def __init__(self, **changes):
        self.version, self.keep_alive, self.method = HttpVersion11, True, "POST"
        self.__dict__.update(changes)


async def test_both_ways_answer_with_the_same_status_headers_and_body(bench):
    plain = await bench.ask(REQUEST)
    other = await bench.ask(CLOSING)

    assert (plain[0], plain[2]) == (other[0], other[2])
    assert {k: v for k, v in plain[1].items() if k not in OF_THE_CONNECTION} == {
        k: v for k, v in other[1].items() if k not in OF_THE_CONNECTION
    }
    assert {"date", "x-request-id", "location"} <= plain[1].keys()


async def test_a_connection_serves_one_plain_answer_after_the_other(bench):
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.port)

    writer.write(REQUEST * 5)
    statuses = [(await read_answer(reader))[0] for _ in range(5)]

    writer.close()
    assert statuses == [201] * 5


async def test_head_gets_no_body(bench):
    raw = HEAD.replace(b"POST /v1/transfers", b"HEAD /healthz").partition(b"Content-Type")[0]
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.port)
    writer.write(raw + b"Connection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()

    assert answer.partition(b"\r\n\r\n")[2] == b""


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"version": HttpVersion10}, 200),
        ({"keep_alive": False}, 200),
        ({"method": "HEAD"}, 200),
        ({}, 204),
        ({}, 304),
        ({}, 799),
    ],
)
def test_an_unusual_case_is_left_to_aiohttp(changes, status):
    assert not is_plain(Request(**changes), status)


def test_a_header_that_would_end_its_line_is_never_sent():
    with pytest.raises(ValueError, match="line break"):
        plain_response(Request(), status=200, headers={"Location": "/a\r\nX: y"}, body=b"")


async def test_a_client_that_does_not_read_is_waited_for():
    class Writer:
        output_size = 0
        waits = 0

        class transport:  # noqa: N801 - stands for an attribute
            unsent = 0

            @classmethod
            def is_closing(cls):
                return False

            @classmethod
            def write(cls, data):
                cls.unsent += len(data)

            @classmethod
            def get_write_buffer_size(cls):
                return cls.unsent

        async def drain(self):
            self.waits += 1

    writer = Writer()
    response = PlainResponse(
        Request(writer=writer), "", b"x" * UNSENT_BYTES_MAX, status=200, headers={}
    )

    await response.write_eof()
    await response.write_eof()

    assert writer.waits == 1
    assert writer.output_size == 2 * UNSENT_BYTES_MAX


async def test_a_client_that_is_gone_is_a_broken_connection():
    class Writer:
        transport = None

    with pytest.raises(ConnectionResetError):
        await PlainResponse(
            Request(writer=Writer()), "", b"x", status=200, headers={}
        ).write_eof()
