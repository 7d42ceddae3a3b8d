"""Point reads that share a statement: group commit, for readers.

A point read by itself costs its process more than all the rest of the request: a connection
lent and given back, a statement sent and its answer parsed, a message each way. So those who
ask while the lanes are busy, or in the same turn of the loop, are answered together: one
statement takes the names of all of them. With 64 readers it halves what a read costs.

* A reader never sees a state from before its question: it joins a statement that has not begun,
  never one that is under way.
* First come, first served. The same name asked by several is one name of the statement.
* A lane is one connection at a time. There are `LANES`: where the network has swallowed one
  connection, the other goes on.
* A reader who gives up takes only itself away, and a row that cannot be read fails only those
  who asked for it.

Bounds: `NAMES_MAX` names in a statement; a reader waits `deadline_s` for its statement to
begin, as it would for a connection, and the pool's deadlines end the statement.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar

from chronos.errors import DeadlineExceeded, Unavailable
from chronos.store.faults import SERVICE

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
    """Answers readers who ask at about the same time with one statement.

    Args:
        fetch: Runs the statement for names, each once; gives the rows that there are.
        value_of: Makes the value of a row; what it raises is its readers' alone.
        deadline_s: The longest wait for a statement to begin.
    """

    def __init__(
        self,
        fetch: Callable[[Sequence[str]], Awaitable[Mapping[str, _Row]]],
        value_of: Callable[[_Row], _Value],
        *,
        deadline_s: float,
    ):
        self._fetch = fetch
        self._value_of = value_of
        self._deadline_s = deadline_s
        self._queue: deque[_Reader] = deque()
        self._lanes: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None

    async def read(self, name: str) -> _Value | None:
        """Gives the value of a name as it is now; None when there is none.

        Raises:
            DeadlineExceeded: No statement began in time.
            Unavailable: PostgreSQL does not answer.
        """
        loop = asyncio.get_running_loop()
        told: asyncio.Future[_Row | None] = loop.create_future()
        self._queue.append(_Reader(name, told, loop.time() + self._deadline_s))
        if len(self._lanes) < LANES:
            # It begins in the next turn of the loop: who asks in this one is taken along.
            lane = loop.create_task(self._run_lane())
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        elif self._sweep is None:
            self._sweep = loop.call_later(self._deadline_s, self._give_up)
        row = await told
        return None if row is None else self._value_of(row)

    async def _run_lane(self) -> None:
        while readers := self._next_readers():
            try:
                rows = await self._fetch([*{reader.name: None for reader in readers}])
            except Exception as error:  # noqa: BLE001 - handed to those who asked
                _fail(readers, error)
            except BaseException:
                _fail(readers, Unavailable(SERVICE, "this process is stopping"))
                raise
            else:
                for name, told, _ in readers:
                    if not told.done():
                        told.set_result(rows.get(name))

    def _next_readers(self) -> list[_Reader]:
        """Takes those who still wait, oldest first; none of them asks from now on."""
        queue = self._queue
        readers: list[_Reader] = []
        while queue and len(readers) < NAMES_MAX:
            reader = queue.popleft()
            if not reader.told.done():
                readers.append(reader)
        return readers

    def _give_up(self) -> None:
        """Tells those who have waited too long; one timer looks after all of them."""
        self._sweep = None
        loop = asyncio.get_running_loop()
        queue, now_s = self._queue, loop.time()
        while queue and queue[0].late_at_s <= now_s:
            fault = DeadlineExceeded(SERVICE, "no statement could begin within the deadline")
            _fail([queue.popleft()], fault)
        if queue:
            self._sweep = loop.call_at(queue[0].late_at_s, self._give_up)


def _fail(readers: Sequence[_Reader], fault: Exception) -> None:
    for _, told, _ in readers:
        if not told.done():
            told.set_exception(fault)
