"""The usual answer, written to the wire in one piece.

aiohttp's `Response` serves every case of HTTP and costs a quarter of a request's whole way
through this process. Nearly every answer is one case: HTTP/1.1 on a connection that stays, a
body of known length, not HEAD. For it the head is one text, and head and body leave in one
write. Any other case gets aiohttp's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from http.client import responses
from typing import Final

from aiohttp import HttpVersion11
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.web import BaseRequest

UNSENT_BYTES_MAX: Final = 64 << 10
_STATUS_LINES: Final = {
    status: f"HTTP/1.1 {status} {phrase}\r\n" for status, phrase in responses.items()
}
_WITHOUT_BODY: Final = frozenset({204, 304})


class PlainResponse:
    """One answer, as aiohttp's protocol takes it: `prepare`, `write_eof`, `keep_alive`.

    Its status and headers are for those who note what was answered.
    """

    __slots__ = ("_data", "_request", "headers", "status")

    keep_alive: Final = True

    def __init__(
        self,
        request: BaseRequest,
        head: str,
        body: bytes,
        *,
        status: int,
        headers: Mapping[str, str],
    ):
        self.status = status
        self.headers = headers
        self._request = request
        self._data = head.encode("latin-1") + body

    async def prepare(self, _request: BaseRequest) -> None:
        """Does nothing: the head is written with the body."""

    async def write_eof(self) -> None:
        """Writes the whole answer; waits when the client does not read what it asked for.

        Raises:
            ConnectionResetError: The client is gone.
        """
        writer = self._request.writer
        transport = writer.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client closed the connection")
        writer.output_size += len(self._data)
        transport.write(self._data)
        if transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            await writer.drain()


def is_plain(request: BaseRequest, status: int) -> bool:
    """Tells whether an answer with this status is the usual case."""
    return (
        request.version == HttpVersion11
        and request.keep_alive
        and request.method != "HEAD"
        and status not in _WITHOUT_BODY
        and status in _STATUS_LINES
    )


def plain_response(
    request: BaseRequest, *, status: int, headers: Mapping[str, str], body: bytes
) -> PlainResponse:
    """Makes the response of a usual case.

    Raises:
        ValueError: A header's value would end its line.
    """
    head = head_of(status, headers, framing=f"Content-Length: {len(body)}\r\n")
    return PlainResponse(request, head, body, status=status, headers=headers)


def head_of(status: int, headers: Mapping[str, str], *, framing: str) -> str:
    """Writes the head of an answer.

    Args:
        status: Its status.
        headers: Its headers.
        framing: Whole lines that tell how long it is.

    Raises:
        ValueError: A header's value would end its line.
    """
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
        raise ValueError("a header holds a line break")
    return f"{_STATUS_LINES[status]}{lines}{framing}Date: {rfc822_formatted_time()}\r\n\r\n"
