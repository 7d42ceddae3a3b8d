"""Clients: seeded commands, each repeated under its key until its outcome is known."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from chronos.domain.chart import AccountKind
from chronos.domain.commands import Command
from chronos.domain.ids import HoldId, TransferId
from chronos.errors import ChronosError
from chronos.wire.booking import AnyAttempt
from chronos.wire.receipt import Receipt
from tests import commands as c
from tests.builders import attempt, open_account, transfer
from tests.simulation.cluster import Cluster, Reset, picked
from tests.simulation.world import Network

BANK = "bank"
CUSTOMERS = ("alice", "bob", "carol", "dave", "erin")
FUNDS = 500
_CLIENT_S = 2.0
_PAUSE_FIRST_S = 0.05
_PAUSE_MAX_S = 1.0
_UNKNOWN = {"idempotency_in_progress", "unavailable"}


@dataclass
class History:
    """What was sent, and everything that was answered."""

    attempts: dict[str, AnyAttempt] = field(default_factory=dict)
    replies: dict[str, list[Receipt]] = field(default_factory=dict)
    unknown: int = 0

    def outcome(self, key: str) -> Receipt | None:
        replies = self.replies.get(key)
        return replies[0] if replies else None


class Teller:
    """One client, who sends one command after the other."""

    def __init__(self, cluster: Cluster, history: History, number: int):
        self._cluster = cluster
        self._history = history
        self._number = number
        self._chance = cluster.world.chance(f"teller/{number}")
        self._network = Network(cluster.world, f"teller/{number}")
        self._sent = 0
        self._holds: list[str] = []
        self._transfers: list[str] = []

    async def open_the_bank(self) -> None:
        """Opens the accounts and puts money into them."""
        await self._resolve(
            attempt(open_account(BANK, kind=AccountKind.SETTLEMENT), "open-bank")
        )
        for name in CUSTOMERS:
            await self._resolve(attempt(open_account(name), f"open-{name}"))
            funds = transfer(BANK, name, FUNDS, transfer_id=TransferId(f"fund-{name}"))
            await self._resolve(attempt(funds, f"fund-{name}"))

    async def work(self, commands: int) -> None:
        """Sends some commands and lets each come to its end."""
        for _ in range(commands):
            await asyncio.sleep(self._chance.random() * 0.3)
            self._sent += 1
            key = f"t{self._number}-{self._sent}"
            tried = self._attempt(key)
            if self._chance.random() < 0.05:
                await asyncio.gather(self._resolve(tried), self._resolve(tried))
            else:
                await self._resolve(tried)
            if self._chance.random() < 0.1:
                old = picked(self._chance, list(self._history.attempts.values()))
                await self._resolve(old)

    def _attempt(self, key: str) -> AnyAttempt:
        draw = self._chance.random()
        if draw < 0.05:
            parts = [attempt(self._transfer(f"{key}-{n}"), f"{key}-{n}") for n in range(2)]
            return c.batch(*parts, key=key, is_atomic=draw < 0.025)
        return attempt(self._command(key, draw), key)

    def _command(self, key: str, draw: float) -> Command:
        name = picked(self._chance, list(CUSTOMERS))
        amount = 1 + int(self._chance.random() * 90)
        if draw < 0.15:
            self._holds.append(f"hld-{key}")
            return c.place(name, amount, hold_id=HoldId(self._holds[-1]))
        if draw < 0.22 and self._holds:
            hold = picked(self._chance, self._holds)
            return c.capture(hold, name, transfer_id=TransferId(f"cap-{key}"))
        if draw < 0.27 and self._holds:
            return c.void(picked(self._chance, self._holds))
        if draw < 0.31 and self._transfers:
            reversed_one = picked(self._chance, self._transfers)
            return c.reverse(reversed_one, transfer_id=TransferId(f"rev-{key}"))
        if draw < 0.34:
            return c.annotate(name, metadata={"note": key})
        return self._transfer(key)

    def _transfer(self, key: str) -> Command:
        everybody = [BANK, *CUSTOMERS]
        source = picked(self._chance, everybody)
        destination = picked(self._chance, [one for one in everybody if one != source])
        amount = 1 + int(self._chance.random() * 120)
        self._transfers.append(f"trf-{key}")
        return transfer(source, destination, amount, transfer_id=TransferId(f"trf-{key}"))

    async def _resolve(self, tried: AnyAttempt) -> None:
        history, key = self._history, tried.idempotency_key
        history.attempts[key] = tried
        pause_s = _PAUSE_FIRST_S
        while True:
            api = picked(self._chance, list(self._cluster.apis.values()))
            try:
                async with asyncio.timeout(_CLIENT_S):
                    receipt = await api.execute(tried, self._network)
            except (Reset, ChronosError, TimeoutError) as error:
                what = type(error).__name__
            else:
                what = _code(receipt)
                if what not in _UNKNOWN:
                    self._cluster.world.trace(f"{key} {receipt.status} {what}")
                    history.replies.setdefault(key, []).append(receipt)
                    return
            history.unknown += 1
            self._cluster.world.trace(f"{key} is unknown: {what}")
            await asyncio.sleep(pause_s * self._chance.random())
            pause_s = min(pause_s * 2, _PAUSE_MAX_S)


def _code(receipt: Receipt) -> str:
    document: Any = msgspec.json.decode(receipt.body)
    return str(document.get("code", "")) if receipt.status >= 400 else ""


def commands_of(tried: AnyAttempt) -> Sequence[Command]:
    """The commands of an attempt or a batch."""
    items = getattr(tried, "items", None)
    return [tried.command] if items is None else [item.command for item in items]  # type: ignore[union-attr]
