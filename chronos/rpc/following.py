"""Waiting for an account's next event: one question a moment for all who wait.

Phases of a wait: `beyond` puts a waiter under its account → the next round asks PostgreSQL once
for the newest version of every account that is waited for → whoever waits for less is woken.

A round that woke somebody is followed by another after `ROUND_FIRST_S`; each idle one takes
half as long again, to `ROUND_MAX_S`. With nobody waiting nothing is asked. When PostgreSQL does
not answer, everybody who waits is told: a stream that hears nothing must not look like one
where nothing happens.

Bounds: the streams that a process has; one statement a round; each wait has its own end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from chronos.errors import Unavailable

ROUND_FIRST_S: Final = 0.05
ROUND_MAX_S: Final = 0.5
_SLOWER: Final = 1.5


class NewestVersions(Protocol):
    """Tells how far accounts have come; the store has the real one."""

    async def versions(self, account_ids: Sequence[str]) -> Mapping[str, int]:
        """Gives the newest version of each account that there is.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    version: int
    woken: asyncio.Future[None]


class Following:
    """Wakes those who wait for an account to go beyond a version."""

    def __init__(self, newest: NewestVersions):
        self._newest = newest
        self._waiting: dict[str, set[_Waiter]] = {}
        self._somebody = asyncio.Event()
        self._stopping = False

    async def beyond(self, account_id: str, version: int, *, within_s: float) -> bool:
        """Waits until the account has a later event; False when it has none in that time.

        Raises:
            Unavailable: PostgreSQL does not answer, or this process is stopping.
        """
        self.refuse_when_stopping()
        waiter = _Waiter(version, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(account_id, set()).add(waiter)
        self._somebody.set()
        try:
            async with asyncio.timeout(within_s):
                await waiter.woken
        except TimeoutError:
            return False
        finally:
            self._forget(account_id, waiter)
        return True

    def refuse_when_stopping(self) -> None:
        """Lets a stream go on, unless the process is stopping.

        Raises:
            Unavailable: It is.
        """
        if self._stopping:
            raise Unavailable("api", "this process is stopping")

    async def run(self) -> None:
        """Asks, round after round, until it is cancelled."""
        pause_s = ROUND_FIRST_S
        while True:
            await self._somebody.wait()
            pause_s = ROUND_FIRST_S if await self._round() else self._slower(pause_s)
            await asyncio.sleep(pause_s)

    def stop(self) -> None:
        """Ends every wait, now and later: the process is stopping."""
        self._stopping = True
        self._fail(Unavailable("api", "this process is stopping"))

    async def _round(self) -> bool:
        try:
            newest = await self._newest.versions(tuple(self._waiting))
        except Exception as error:  # noqa: BLE001  handed to those who wait; their net counts it
            self._fail(error)
            return False
        woken = False
        for account_id, version in newest.items():
            for waiter in self._waiting.get(account_id, ()):
                if waiter.version < version and not waiter.woken.done():
                    waiter.woken.set_result(None)
                    woken = True
        return woken

    def _fail(self, error: Exception) -> None:
        for waiters in self._waiting.values():
            for waiter in waiters:
                if not waiter.woken.done():
                    waiter.woken.set_exception(error)

    def _forget(self, account_id: str, waiter: _Waiter) -> None:
        waiters = self._waiting[account_id]
        waiters.discard(waiter)
        if not waiters:
            del self._waiting[account_id]
        if not self._waiting:
            self._somebody.clear()

    @staticmethod
    def _slower(pause_s: float) -> float:
        return min(pause_s * _SLOWER, ROUND_MAX_S)
