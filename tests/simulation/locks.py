"""PostgreSQL's advisory locks: of a session or of a transaction, first come, first served."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

Key = tuple[Any, ...]


@dataclass(slots=True)
class _Lock:
    holder: object
    by_session: int = 0
    by_transaction: int = 0


@dataclass(slots=True)
class Locks:
    """Who holds what, and who waits for it."""

    _held: dict[Key, _Lock] = field(default_factory=dict)
    _queues: dict[Key, deque[tuple[object, asyncio.Future[None]]]] = field(default_factory=dict)

    def holder(self, key: Key) -> object | None:
        lock = self._held.get(key)
        return None if lock is None else lock.holder

    def try_take(self, key: Key, session: object, *, for_session: bool = False) -> bool:
        """Takes a lock that is free or its own already."""
        lock = self._held.get(key)
        if lock is None:
            if self._queues.get(key):
                return False
            lock = self._held[key] = _Lock(session)
        if lock.holder is not session:
            return False
        lock.by_session += for_session
        lock.by_transaction += not for_session
        return True

    async def take(self, key: Key, session: object) -> None:
        """Waits for a lock of a transaction."""
        if self.try_take(key, session):
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(key, deque()).append((session, waiter))
        try:
            await waiter
        finally:
            # One that was granted meanwhile is kept until the transaction ends.
            self._queues[key] = deque(w for w in self._queues[key] if w[1] is not waiter)

    def end_transaction(self, session: object) -> None:
        """Lets all go that a transaction held."""
        for key in [key for key, lock in self._held.items() if lock.holder is session]:
            self._held[key].by_transaction = 0
            if not self._held[key].by_session:
                self._let_go(key)

    def end_session(self, session: object) -> None:
        """Lets everything go."""
        for key in [key for key, lock in self._held.items() if lock.holder is session]:
            self._let_go(key)

    def _let_go(self, key: Key) -> None:
        del self._held[key]
        queue = self._queues.get(key)
        while queue:
            session, waiter = queue.popleft()
            if not waiter.done():
                self._held[key] = _Lock(session, by_transaction=1)
                waiter.set_result(None)
                return
