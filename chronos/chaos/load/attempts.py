"""One operation from its first sending to what is known of it, each attempt in the history.

A command of which nobody knows is sent again under its key, byte for byte, after a pause of
50 ms times two to the number of the attempt, drawn from zero up to it (full jitter) and at most
2 s long. After 60 s nothing is sent again, and the operation stays unknown.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

from chronos.chaos.history import Kind, Line, Outcome, Recorder, now_ns
from chronos.chaos.load.answers import Answer
from chronos.chaos.load.choosing import Intention

PAUSE_FIRST_S: Final = 0.05
PAUSE_MAX_S: Final = 2.0
DOUBLINGS_MAX: Final = 10
GIVE_UP_S: Final = 60.0

INVOKE: Final = "invoke"

Send = Callable[[Intention], Awaitable[Answer]]


class Attempts:
    """Sends the operations of one process of the history.

    Args:
        recorder: Where each attempt is written.
        process: Number of the process.
        chance: Draws the pauses; apart from the choices, which outages must not change.
        clock_ns: The history's clock.
        pause: Waits some seconds.
    """

    def __init__(
        self,
        recorder: Recorder,
        *,
        process: int,
        chance: random.Random,
        clock_ns: Callable[[], int] = now_ns,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ):
        self._recorder = recorder
        self._process = process
        self._chance = chance
        self._clock_ns = clock_ns
        self._pause = pause

    async def once(self, intention: Intention, send: Send) -> Answer:
        """Sends an operation a single time."""
        return await self._attempt(self._recorder.next_number(), 1, intention, send)

    async def until_known(self, intention: Intention, send: Send) -> Answer:
        """Sends an operation until it is known what became of it, or the time is up."""
        operation, attempt = self._recorder.next_number(), 1
        give_up_ns = self._clock_ns() + int(GIVE_UP_S * 1e9)
        while True:
            answer = await self._attempt(operation, attempt, intention, send)
            if answer.outcome is not Outcome.INFO:
                return answer
            pause_s = self._chance.random() * _longest_pause_s(attempt)
            if self._clock_ns() + int(pause_s * 1e9) >= give_up_ns:
                return answer
            await self._pause(pause_s)
            attempt += 1

    async def _attempt(
        self, operation: int, attempt: int, intention: Intention, send: Send
    ) -> Answer:
        self._recorder.write(
            Line(
                phase=INVOKE,
                at_ns=self._clock_ns(),
                operation=operation,
                attempt=attempt,
                process=self._process,
                kind=intention.kind.value,
                key=intention.key,
                method=intention.method,
                path=intention.path,
                body=intention.body,
            )
        )
        answer = await send(intention)
        self._recorder.write(
            Line(
                phase=answer.outcome.value,
                at_ns=self._clock_ns(),
                operation=operation,
                attempt=attempt,
                status=answer.status,
                code=answer.code,
                reply=answer.reply,
                location=answer.location,
                replayed=answer.replayed,
                retry_after=answer.retry_after,
            )
        )
        return answer


def is_command(kind: Kind) -> bool:
    """Tells whether an operation has a key; the others are reads."""
    return kind not in {Kind.READ, Kind.SNAPSHOT, Kind.PROJECTED}


def _longest_pause_s(attempt: int) -> float:
    return min(PAUSE_MAX_S, PAUSE_FIRST_S * 2.0 ** min(attempt - 1, DOUBLINGS_MAX))
