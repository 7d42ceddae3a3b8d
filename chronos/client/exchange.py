"""One HTTP exchange with retries: the same request, the same key, until a deadline.

Bounds: the number of connections, the seconds of one attempt, the seconds of the whole call,
and the bytes of an answer. A time-out, a broken connection and a 503 leave the outcome unknown,
so the request is sent again unchanged; the server's idempotency makes that safe.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import aiohttp

from chronos.client.refusals import Refused, UnreadableAnswer, problem_of
from chronos.client.retrying import Backoff, is_retryable, retry_after_s
from chronos.clock import Clock
from chronos.errors import DeadlineExceeded

ANSWER_BYTES_MAX = 16 << 20


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
        end_s = self._clock.monotonic_s() + (deadline_s or self._patience.deadline_s)
        attempt = 0
        while True:
            left_s = end_s - self._clock.monotonic_s()
            outcome = await self._attempt(ask, min(self._patience.attempt_s, max(left_s, 0.05)))
            if isinstance(outcome, Answer):
                return outcome
            attempt += 1
            wait_s = self._patience.backoff.wait_s(
                attempt, chance=self._chance, retry_after_s=outcome.retry_after_s
            )
            if self._clock.monotonic_s() + wait_s >= end_s:
                raise DeadlineExceeded(
                    "chronos", f"{outcome.detail} ({attempt} attempts at {ask.url})"
                )
            self.attempts_repeated += 1
            await asyncio.sleep(wait_s)

    async def _attempt(self, ask: Ask, timeout_s: float) -> Answer | _Failure:
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._session.request(
                    ask.method,
                    ask.url,
                    params=dict(ask.query),
                    headers=dict(ask.headers),
                    data=ask.body,
                    allow_redirects=False,
                ) as response,
            ):
                return await _outcome(response)
        except TimeoutError:
            return _Failure(detail=f"no answer within {timeout_s:.1f} s", retry_after_s=0.0)
        except (aiohttp.ClientError, OSError) as error:
            return _Failure(detail=str(error) or type(error).__name__, retry_after_s=0.0)


async def _outcome(response: aiohttp.ClientResponse) -> Answer | _Failure:
    if (response.content_length or 0) > ANSWER_BYTES_MAX:
        raise UnreadableAnswer(f"{response.url} answers more than {ANSWER_BYTES_MAX} bytes.")
    body = await response.read()
    replayed = response.headers.get("Idempotent-Replayed") == "true"
    if response.status < 300:
        return Answer(status=response.status, body=body, replayed=replayed)
    problem = problem_of(response.status, response.content_type, body)
    if is_retryable(problem):
        return _Failure(
            detail=f"{problem.detail or problem.title} [{problem.code}]",
            retry_after_s=retry_after_s(response.headers),
        )
    raise Refused(problem, replayed=replayed)
