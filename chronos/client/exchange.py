"""One HTTP exchange with retries: the same request, the same key, until a deadline.

Bounds: the number of connections, the seconds of one attempt, the seconds of the whole call,
and the bytes of an answer. A time-out, a broken connection and a 503 leave the outcome unknown,
so the request is sent again unchanged; the server's idempotency makes that safe.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import aiohttp

from chronos.client.refusals import BrokenOff, Refused, UnreadableAnswer, problem_of
from chronos.client.retrying import Backoff, is_retryable, retry_after_s
from chronos.clock import Clock
from chronos.errors import DeadlineExceeded

ANSWER_BYTES_MAX = 16 << 20

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request: what is sent again, byte for byte, at each attempt."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One successful answer."""

    status: int
    body: bytes
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long one call may take, and how it waits between attempts."""

    deadline_s: float = 30.0
    attempt_s: float = 10.0
    backoff: Backoff = field(default_factory=Backoff)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """Why an attempt may be repeated."""

    detail: str
    retry_after_s: float


class Exchange:
    """Sends requests over a pool of kept-alive connections; safe for many tasks at once."""

    def __init__(
        self,
        *,
        clock: Clock,
        patience: Patience,
        connections_max: int,
        headers: Mapping[str, str],
        chance: Callable[[], float] = random.random,
    ):
        self._clock = clock
        self._patience = patience
        self._chance = chance
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections_max, keepalive_timeout=30),
            headers=dict(headers),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        self.attempts_repeated = 0

    async def close(self) -> None:
        """Closes every connection."""
        await self._session.close()

    async def send(self, ask: Ask, *, deadline_s: float | None = None) -> Answer:
        """Sends `ask` until it is answered for good.

        Raises:
            Refused: The server said no, and would say so again.
            DeadlineExceeded: No final answer came in time; the outcome is unknown.
            UnreadableAnswer: The answer is larger than any answer of Chronos.
        """

        async def attempt() -> Answer | _Failure:
            response = await self._request(ask)
            async with response:
                return await _outcome(response)

        return await self._until_answered(ask, attempt, deadline_s)

    @asynccontextmanager
    async def opened(
        self, ask: Ask, *, silence_s: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Sends `ask` until its answer begins, and gives the body in pieces as they come.

        What has begun is not begun again here: `BrokenOff` comes out of the pieces when the
        line breaks, or when nothing comes for `silence_s`.

        Raises:
            Refused: The server said no, and would say so again.
            DeadlineExceeded: No answer began in time.
        """

        async def attempt() -> aiohttp.ClientResponse | _Failure:
            response = await self._request(ask)
            if response.status < 300:
                return response
            async with response:
                return await _failure(response)

        async with await self._until_answered(ask, attempt, None) as response:
            yield _pieces(response, silence_s)

    async def _until_answered(
        self,
        ask: Ask,
        attempt: Callable[[], Awaitable[_T | _Failure]],
        deadline_s: float | None,
    ) -> _T:
        end_s = self._clock.monotonic_s() + (deadline_s or self._patience.deadline_s)
        attempts = 0
        while True:
            left_s = end_s - self._clock.monotonic_s()
            outcome = await _in_time(attempt, min(self._patience.attempt_s, max(left_s, 0.05)))
            if not isinstance(outcome, _Failure):
                return outcome
            attempts += 1
            wait_s = self._patience.backoff.wait_s(
                attempts, chance=self._chance, retry_after_s=outcome.retry_after_s
            )
            if self._clock.monotonic_s() + wait_s >= end_s:
                raise DeadlineExceeded(
                    "chronos", f"{outcome.detail} ({attempts} attempts at {ask.url})"
                )
            self.attempts_repeated += 1
            await asyncio.sleep(wait_s)

    async def _request(self, ask: Ask) -> aiohttp.ClientResponse:
        return await self._session.request(
            ask.method,
            ask.url,
            params=dict(ask.query),
            headers=dict(ask.headers),
            data=ask.body,
            allow_redirects=False,
        )


async def _in_time(
    attempt: Callable[[], Awaitable[_T | _Failure]], timeout_s: float
) -> _T | _Failure:
    try:
        async with asyncio.timeout(timeout_s):
            return await attempt()
    except TimeoutError:
        return _Failure(detail=f"no answer within {timeout_s:.1f} s", retry_after_s=0.0)
    except (aiohttp.ClientError, OSError) as error:
        return _Failure(detail=str(error) or type(error).__name__, retry_after_s=0.0)


async def _pieces(response: aiohttp.ClientResponse, silence_s: float) -> AsyncIterator[bytes]:
    while True:
        try:
            async with asyncio.timeout(silence_s):
                piece = await response.content.readany()
        except TimeoutError as error:
            raise BrokenOff("chronos", f"nothing came for {silence_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            detail = f"the answer broke off: {str(error) or type(error).__name__}"
            raise BrokenOff("chronos", detail) from error
        if not piece:
            return
        yield piece


async def _outcome(response: aiohttp.ClientResponse) -> Answer | _Failure:
    if response.status >= 300:
        return await _failure(response)
    body = await _body(response)
    return Answer(status=response.status, body=body, replayed=_is_replay(response))


async def _failure(response: aiohttp.ClientResponse) -> _Failure:
    problem = problem_of(response.status, response.content_type, await _body(response))
    if is_retryable(problem):
        return _Failure(
            detail=f"{problem.detail or problem.title} [{problem.code}]",
            retry_after_s=retry_after_s(response.headers),
        )
    raise Refused(problem, replayed=_is_replay(response))


async def _body(response: aiohttp.ClientResponse) -> bytes:
    if (response.content_length or 0) > ANSWER_BYTES_MAX:
        raise UnreadableAnswer(f"{response.url} answers more than {ANSWER_BYTES_MAX} bytes.")
    return await response.read()


def _is_replay(response: aiohttp.ClientResponse) -> bool:
    return response.headers.get("Idempotent-Replayed") == "true"
