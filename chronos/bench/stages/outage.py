"""One of two balances workers dies by `kill -9`: how long until every account answers again.

Two ways back, one after the other: its supervisor starts it again, and nobody does, so that
Kafka gives its partitions to the survivor when its session ends. In both, one transfer to an
account of each partition is booked after the death, and the survivor's door is asked for its
version until it answers: it can only when a living worker keeps the partition. Beside that the
same door is asked for balances as they are, again and again.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import msgspec

from chronos.assembly.processes import url
from chronos.bench.stages.probes import watch_view
from chronos.bench.stages.stage import Stage, until
from chronos.bench.stages.town import CURRENCY, Town
from chronos.client.doors import Doors
from chronos.client.ledger_client import LedgerClient
from chronos.wire.topics import partition_of

SECOND: Final = "balances-2"
DEADLINE_S: Final = 300.0
BETWEEN_S: Final = 0.02
_ASK_DEADLINE_S: Final = 5.0


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """What the death of one of two workers did.

    Attributes:
        way_back: "restarted" or "taken over".
        until_all_answer_s: From the death until an account of every partition was answered at
            a version that was booked after it.
        partitions_s: The same for each partition of the events topic.
        plain_asked: How often the survivor was asked for a balance as it is meanwhile.
        own_refused: How often it did not give one of its own.
        others_refused: How often it did not give one that the dead worker kept.
        plain_longest_ms: Its longest answer.
    """

    way_back: str
    until_all_answer_s: float
    partitions_s: dict[str, float]
    plain_asked: int
    own_refused: int
    others_refused: int
    plain_longest_ms: float


async def end_one_of_two(stage: Stage, town: Town) -> tuple[Outage, ...]:
    """Starts a second worker beside the first and ends it, twice.

    Raises:
        BenchFault: The two never shared the partitions, or some account never answered again.
    """
    pipeline = stage.pipeline
    await pipeline.supervisor.start(pipeline.crew.balances_worker(1))
    ports = pipeline.crew.ports
    doors = [url(ports.balances + slot) for slot in range(2)]
    outages = []
    async with _Asker(doors, stage.doors.api_key) as asker:
        for way_back in ("restarted", "taken over"):
            await until(asker.is_shared, "The two workers do not share.", DEADLINE_S)
            outages.append(await _outage(stage, asker, _one_of_each(stage, town), way_back))
            stage.say(f"{way_back}: all answered after {outages[-1].until_all_answer_s:.1f} s")
    return tuple(outages)


async def _outage(
    stage: Stage, asker: _Asker, accounts: Mapping[int, str], way_back: str
) -> Outage:
    own = await asker.owned(0)
    plain = _Plain()
    asking = asyncio.create_task(plain.ask(asker, accounts, own))
    try:
        began_s = time.monotonic()
        os.kill(stage.pid(SECOND), signal.SIGKILL)
        if way_back == "taken over":
            await stage.stop(SECOND)
        async with asyncio.timeout(DEADLINE_S):
            back_s = await _until_back(stage, asker.doors[0], accounts)
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    partitions_s = {str(number): round(at_s - began_s, 2) for number, at_s in back_s.items()}
    return Outage(
        way_back=way_back,
        until_all_answer_s=max(partitions_s.values()),
        partitions_s=partitions_s,
        plain_asked=plain.asked,
        own_refused=plain.own_refused,
        others_refused=plain.others_refused,
        plain_longest_ms=round(plain.longest_s * 1000, 1),
    )


async def _until_back(stage: Stage, door: str, accounts: Mapping[int, str]) -> dict[int, float]:
    """Gives the moment at which each partition answered a transfer of now."""
    doors = Doors(command=stage.doors.command, query=door, api_key=stage.doors.api_key)
    source = accounts[min(accounts)]
    async with LedgerClient(doors, connections_max=2 * len(accounts)) as client:
        watch = watch_view(client)

        async def back_at_s(account_id: str) -> float:
            payer = source if account_id != source else accounts[max(accounts)]
            receipt = await client.transfers.make(
                payer, account_id, amount=1, currency=CURRENCY
            )
            await watch(account_id, receipt.accounts[account_id].version)
            return time.monotonic()

        async with asyncio.TaskGroup() as group:
            tasks = {
                number: group.create_task(back_at_s(account_id))
                for number, account_id in accounts.items()
            }
        return {number: task.result() for number, task in tasks.items()}


@dataclass(slots=True)
class _Plain:
    """What became of the questions for balances as they are."""

    asked: int = 0
    own_refused: int = 0
    others_refused: int = 0
    longest_s: float = 0.0

    async def ask(
        self, asker: _Asker, accounts: Mapping[int, str], own: Collection[int]
    ) -> None:
        while True:
            for partition, account_id in accounts.items():
                began_s = time.monotonic()
                is_answered = await asker.is_answered(account_id)
                self.longest_s = max(self.longest_s, time.monotonic() - began_s)
                self.asked += 1
                if not is_answered and partition in own:
                    self.own_refused += 1
                elif not is_answered:
                    self.others_refused += 1
                await asyncio.sleep(BETWEEN_S)


class _Asker:
    """Asks the workers without asking again: what is refused is to be seen."""

    def __init__(self, doors: list[str], api_key: str):
        self.doors = doors
        self._headers = {"Authorization": f"Bearer {api_key}"}

    async def __aenter__(self) -> _Asker:
        timeout = aiohttp.ClientTimeout(total=_ASK_DEADLINE_S)
        self._session = aiohttp.ClientSession(timeout=timeout, headers=self._headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def is_answered(self, account_id: str) -> bool:
        status, _ = await self._get(f"{self.doors[0]}/v1/accounts/{account_id}/balance")
        return status == 200

    async def owned(self, slot: int) -> tuple[int, ...]:
        """Gives the partitions that a worker keeps; none while it is not ready."""
        status, body = await self._get(f"{self.doors[slot]}/v1/pipeline")
        stage = body.get("stages", {}).get("balances", {}) if status == 200 else {}
        return tuple(stage.get("owned_here", ())) if stage.get("is_ready") else ()

    async def is_shared(self) -> bool:
        """Tells whether both workers keep some partitions and are ready."""
        return all([await self.owned(0), await self.owned(1)])

    async def _get(self, address: str) -> tuple[int, dict[str, Any]]:
        try:
            async with self._session.get(address) as answer:
                return answer.status, await answer.json()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return 0, {}


def _one_of_each(stage: Stage, town: Town) -> dict[int, str]:
    """Picks an account with funds of each partition."""
    found: dict[int, str] = {}
    for name in town.funded:
        found.setdefault(partition_of(name.encode(), stage.settings.partitions), name)
        if len(found) == stage.settings.partitions:
            break
    return found
