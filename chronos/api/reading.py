"""Taking a request's body off the wire: bounded in bytes and in time."""

from __future__ import annotations

import asyncio

from aiohttp.web import BaseRequest, RequestPayloadError

from chronos.api.problems import HttpProblem

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def read_body(request: BaseRequest, *, limit_bytes: int, deadline_s: float) -> bytes:
    """Reads the whole body.

    Raises:
        HttpProblem: It is too large, did not arrive in time, or is not framed as HTTP asks.
    """
    length = request.content_length
    if length is not None and length > limit_bytes:
        raise _too_large(limit_bytes)
    if "Expect" in request.headers:
        await _answer_expectation(request)
    content = request.content
    if content.is_eof():
        body = content.read_nowait()
        if len(body) > limit_bytes:
            raise _too_large(limit_bytes)
        return body
    try:
        async with asyncio.timeout(deadline_s):
            return await _read_chunks(request, limit_bytes)
    except TimeoutError as error:
        raise HttpProblem(
            "request_timeout",
            f"The body did not arrive within {deadline_s:g} s.",
            close=True,
        ) from error
    except RequestPayloadError as error:
        raise HttpProblem(
            "bad_request", "The body is not framed as HTTP asks.", close=True
        ) from (error)


async def _read_chunks(request: BaseRequest, limit_bytes: int) -> bytes:
    body = bytearray()
    while chunk := await request.content.readany():
        body += chunk
        if len(body) > limit_bytes:
            raise _too_large(limit_bytes)
    return bytes(body)


async def _answer_expectation(request: BaseRequest) -> None:
    if request.headers["Expect"].lower() != "100-continue":
        raise HttpProblem("expectation_failed", "Only Expect: 100-continue is known.")
    if not request.content.is_eof():
        await request.writer.write(_CONTINUE)
        request.writer.output_size = 0  # the interim answer is no part of the final one


def _too_large(limit_bytes: int) -> HttpProblem:
    return HttpProblem(
        "body_too_large", f"The body has more than {limit_bytes} bytes.", close=True
    )
