"""Asks a process how it is and what it counted, within a deadline and a bound of bytes.

The three questions go out together. A process that does not answer is silent, one that answers
nonsense as well: whoever looks is not to stumble over what he looks at.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import aiohttp
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from chronos.clock import Clock
from chronos.watch.place import ProcessAddress

PROCESS_DEADLINE_S: Final = 1.5
_BODY_BYTES_MAX: Final = 8 << 20
_PIECE_BYTES: Final = 64 << 10
_START: Final = "process_start_time_seconds"

Series = tuple[str, tuple[tuple[str, str], ...]]
"""A sample's name, and its labels in order."""


class State(StrEnum):
    """How a process is."""

    READY = "ready"
    NOT_READY = "not ready"
    STUCK = "stuck"
    """It answers, and says itself that it gets on no more."""
    SILENT = "silent"
    """It does not answer in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrape:
    """What a process said at one moment."""

    process: ProcessAddress
    at_s: float
    """Of the monotonic clock, when its numbers came."""
    state: State
    detail: str = ""
    """Why it is not ready, or how it was silent; its own words, not to be trusted."""
    waiting_for: tuple[str, ...] = ()
    """Stores that somebody in it waits for."""
    samples: Mapping[Series, float] = field(default_factory=dict)

    @property
    def started_at_s(self) -> float | None:
        """When the process began, in seconds since 1970; None while it is silent."""
        return self.samples.get((_START, ()))

    def value(self, name: str) -> float | None:
        """Gives a sample without labels."""
        return self.samples.get((name, ()))


async def scrape(
    session: aiohttp.ClientSession, process: ProcessAddress, clock: Clock
) -> Scrape:
    """Asks one process for its liveness, its readiness and its metrics, all at once."""
    try:
        async with asyncio.timeout(PROCESS_DEADLINE_S):
            live, ready, metrics = await asyncio.gather(
                _get(session, f"{process.url}/healthz"),
                _get(session, f"{process.url}/readyz"),
                _get(session, f"{process.url}/metrics"),
            )
    except TimeoutError:
        return _silent(process, clock, f"no answer within {PROCESS_DEADLINE_S:g} s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return _silent(process, clock, str(error) or type(error).__name__)
    try:
        samples = parse_samples(metrics[1])
    except (ValueError, IndexError) as error:  # the parser raises either at a broken label
        return _silent(process, clock, f"its metrics cannot be read ({error})")
    return _said(process, clock, live, ready, samples)


def parse_samples(body: bytes) -> dict[Series, float]:
    """Reads Prometheus text; what is no finite number is left out.

    Raises:
        ValueError: It is no such text.
    """
    found: dict[Series, float] = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            if math.isfinite(sample.value):
                found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return found


async def read_body(answer: aiohttp.ClientResponse) -> bytes:
    """Reads an answer of a bounded length.

    Raises:
        ValueError: It is longer.
    """
    body = bytearray()
    async for piece in answer.content.iter_chunked(_PIECE_BYTES):
        body += piece
        if len(body) > _BODY_BYTES_MAX:
            raise ValueError(f"its answer is longer than {_BODY_BYTES_MAX >> 20} MiB")
    return bytes(body)


async def _get(session: aiohttp.ClientSession, url: str) -> tuple[int, bytes]:
    async with session.get(url) as answer:
        return answer.status, await read_body(answer)


def _said(
    process: ProcessAddress,
    clock: Clock,
    live: tuple[int, bytes],
    ready: tuple[int, bytes],
    samples: Mapping[Series, float],
) -> Scrape:
    health, readiness = _document(live[1]), _document(ready[1])
    if live[0] != 200:
        state, detail = State.STUCK, f"/healthz answers {live[0]}"
    elif ready[0] != 200:
        state, detail = State.NOT_READY, _reason(ready[0], readiness)
    else:
        state, detail = State.READY, ""
    waiting_for = health.get("waiting_for")
    return Scrape(
        process=process,
        at_s=clock.monotonic_s(),
        state=state,
        detail=detail,
        waiting_for=tuple(map(str, waiting_for)) if isinstance(waiting_for, list) else (),
        samples=samples,
    )


def _reason(status: int, document: Mapping[str, Any]) -> str:
    """Gives a worker's reason, or the sentence of the API's problem document."""
    for name in ("reason", "detail", "title"):
        if isinstance(document.get(name), str):
            return str(document[name])
    return f"/readyz answers {status}"


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}
    return document if isinstance(document, dict) else {}


def _silent(process: ProcessAddress, clock: Clock, detail: str) -> Scrape:
    return Scrape(process=process, at_s=clock.monotonic_s(), state=State.SILENT, detail=detail)
