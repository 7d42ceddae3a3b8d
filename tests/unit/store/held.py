"""A committer in memory whose transactions a test can hold, and ways to send to it."""

from __future__ import annotations

import asyncio

from chronos.store.group_commit import Limits
from tests.builders import MemoryBank, attempt, transfer

LIMITS = Limits(pending_max=100, batch_max=10, deadline_s=5, drain_s=1)


class HeldCommitter:
    """Books in memory; a transaction ends when the test lets it, and faults are planted."""

    def __init__(self, bank: MemoryBank):
        self.bank = bank
        self.batches = []
        self.faults = []
        self.began = asyncio.Event()
        self.let = asyncio.Event()
        self.let.set()
        self.is_closed = False

    async def commit(self, batch):
        attempts = [prepared.attempt for prepared in batch]
        keys = [a.idempotency_key for a in attempts]
        self.batches.append(keys)
        self.began.set()
        await self.let.wait()
        if self.faults and (fault := self.faults.pop(0)(keys)) is not None:
            raise fault
        return self.bank.commit(attempts)

    async def close(self):
        self.is_closed = True


def planted(fault, *, key=None):
    return lambda keys: fault if key is None or key in keys else None


def move(key, source="a", destination="b", **changes):
    command = transfer(source, destination, 1, transfer_id=f"trf-{key}")
    return attempt(command, key, **changes)


async def held(journal, committer, first):
    """Submits one attempt and waits until its transaction is under way, held."""
    committer.let.clear()
    task = asyncio.create_task(journal.submit(first))
    async with asyncio.timeout(1):
        await committer.began.wait()
    return task


async def submitted(journal, attempts):
    tasks = [asyncio.create_task(journal.submit(a)) for a in attempts]
    await asyncio.sleep(0)
    return tasks
