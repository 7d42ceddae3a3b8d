"""A mark in Redis that says "this process filled you": how a loss of Redis' data is noticed.

A connection error tells that Redis was away. A FLUSHALL, a restart within the blink of an eye
or a restart from an old dump tell nothing. So whoever fills Redis leaves a key and remembers
which run of the server took it; when either is gone, the copy has to be filled again. The key
is there from before the first balance on: a loss in the middle of the filling takes it along,
and the end of the filling only changes a key that it finds.
"""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from chronos.mirror.redis import deadline
from chronos.wire.topics import Names

_DEADLINE_S = 1.0
FILLING = "filling"


class FilledMark:
    """Sets and finds the mark of one process.

    Args:
        url: Redis.
        names: Gives the namespace that the mark lies in.
        worker: The place of the process that leaves it. Two processes are in one place for a
            moment at most: the older one has lost its partitions and ends.
    """

    def __init__(self, url: str, names: Names, *, worker: str) -> None:
        self._key = f"{names.namespace}:filled:{worker}"
        self._run: str | None = None
        self._client: Any = Redis.from_url(
            url,
            protocol=2,
            socket_timeout=_DEADLINE_S,
            socket_connect_timeout=_DEADLINE_S,
            max_connections=1,
            retry=Retry(NoBackoff(), 1),
        )

    async def begin(self) -> None:
        """Notes which run of the server is about to be filled; to be called before the filling.

        Raises:
            Unavailable: Redis did not answer in time.
        """
        self._run = await self._ask(self._run_id())
        await self._ask(self._client.set(self._key, FILLING))

    async def set(self) -> bool:
        """Leaves the mark; to be called after the filling.

        Returns:
            False when Redis lost what it had since `begin`: there is no mark then, and the
            filling has to be done again.

        Raises:
            Unavailable: Redis did not answer in time.
        """
        return bool(await self._ask(self._client.set(self._key, self._run or "", xx=True)))

    async def is_there(self) -> bool:
        """Tells whether the server still runs as it did and still has the mark.

        Raises:
            Unavailable: Redis did not answer in time.
        """
        if self._run is None or await self._ask(self._run_id()) != self._run:
            return False
        mark: bytes | None = await self._ask(self._client.get(self._key))
        return mark == self._run.encode()

    async def close(self) -> None:
        """Closes the connection."""
        await self._client.aclose()

    async def _run_id(self) -> str:
        return str((await self._client.info("server"))["run_id"])

    async def _ask(self, question: Any) -> Any:
        async with deadline(_DEADLINE_S):
            return await question
