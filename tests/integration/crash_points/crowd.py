"""Clients that move and reserve money; each repeats a request until it is answered."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

CUSTOMERS = [f"customer-{n}" for n in range(10)]
TELLERS = 3
# So that the processes that are started meanwhile have the machine too.
PACE_S = 0.01
HOLD_LASTS_S = 1.5
AGAIN_S = 0.05
ANSWER_S = 60.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One command that a client wants executed."""

    path: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer that a client was given in the end."""

    status: int
    body: bytes


@dataclass
class Crowd:
    """Knows what was asked and what was answered; nothing of how Chronos works."""

    http: aiohttp.ClientSession
    url: str
    asked: dict[str, Asked] = field(default_factory=dict)
    answered: dict[str, Answered] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    repeated: int = 0

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self._stop = asyncio.Event()

    async def open_accounts(self) -> None:
        await self._open("bank", kind="settlement")
        for name in CUSTOMERS:
            await self._open(name)
            await self._transfer("bank", name, 10_000)

    @contextlib.asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Has the clients work until the block ends and everything asked is answered."""
        self._stop.clear()
        seed = next(self._numbers)
        async with asyncio.TaskGroup() as group:
            for number in range(TELLERS):
                group.create_task(self._move(random.Random(seed + number)))
            group.create_task(self._reserve(random.Random(seed)))
            try:
                yield
            finally:
                self._stop.set()

    async def _move(self, chance: random.Random) -> None:
        while not await self._is_over(PACE_S):
            source, destination = chance.sample(CUSTOMERS, 2)
            await self._transfer(source, destination, chance.randint(1, 900))
            if chance.random() < 0.05:
                await self._ask_again(chance)

    async def _reserve(self, chance: random.Random) -> None:
        while not await self._is_over(20 * PACE_S):
            hold = f"h-{next(self._numbers)}"
            ends = datetime.now(UTC) + timedelta(seconds=HOLD_LASTS_S)
            expires_at = ends.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            body = {"id": hold, "account": chance.choice(CUSTOMERS), "amount": 3}
            await self.send(
                hold, "/v1/holds", {**body, "currency": "EUR", "expires_at": expires_at}
            )

    async def _is_over(self, pause_s: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), pause_s)
        return self._stop.is_set()

    async def _open(self, name: str, **fields: str) -> None:
        body = {"id": name, "currency": "EUR", **fields}
        await self.send(f"open-{name}", "/v1/accounts", body)

    async def _transfer(self, source: str, destination: str, amount: int) -> None:
        name = f"t-{next(self._numbers)}"
        body = {"id": name, "from": source, "to": destination, "amount": amount}
        await self.send(name, "/v1/transfers", {**body, "currency": "EUR"})

    async def _ask_again(self, chance: random.Random) -> None:
        """Sends a finished command once more: the same answer must come back."""
        key = chance.choice(list(self.answered))
        asked, known = self.asked[key], self.answered[key]
        answer = await self._until_answered(key, asked)
        if answer != known:
            self.wrong.append(f"{key} was answered {known} and, when repeated, {answer}")

    async def send(self, key: str, path: str, body: dict[str, Any]) -> Answered:
        self.asked[key] = Asked(path, body)
        answer = await self._until_answered(key, self.asked[key])
        self.answered[key] = answer
        return answer

    async def _until_answered(self, key: str, asked: Asked) -> Answered:
        async with asyncio.timeout(ANSWER_S):
            while True:
                answer = await self._try(key, asked)
                if answer is not None:
                    return answer
                self.repeated += 1
                await asyncio.sleep(AGAIN_S)

    async def _try(self, key: str, asked: Asked) -> Answered | None:
        """Sends once; None while nobody can know what became of it."""
        try:
            async with self.http.post(
                f"{self.url}{asked.path}", json=asked.body, headers={"Idempotency-Key": key}
            ) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            return None
        if answer.status == 503 or b"idempotency_in_progress" in body:
            return None
        if answer.status >= 500:
            self.wrong.append(f"{key} was answered {answer.status} {body!r}")
        return Answered(answer.status, body)
