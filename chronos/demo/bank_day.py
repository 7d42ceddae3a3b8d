"""Plays the script of a day through the public HTTP API, many requests at once.

A part begins when the one before it is done; within a part a fixed number of workers take the
next request from one iterator. Every answer is compared with what the script expects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from chronos.client.ledger_client import LedgerClient
from chronos.client.receipts import Transferred
from chronos.client.refusals import Refused
from chronos.clock import Clock
from chronos.demo.script import BankDay, Opening, Payment, Phase
from chronos.wire.batch import TransferItem

WORKERS = 48
BATCH_PAYMENTS = 200
SURPRISES_KEPT_MAX = 20

_T = TypeVar("_T")
Advance = Callable[[Phase, int], None]


@dataclass(slots=True, kw_only=True)
class DayOutcome:
    """What the bank answered."""

    booked: int = 0
    refused: int = 0
    replayed: int = 0
    batches: int = 0
    attempts_repeated: int = 0
    seconds_by_phase: dict[Phase, float] = field(default_factory=dict)
    surprises: list[str] = field(default_factory=list)
    """Answers that the script did not expect; the first few, one sentence each."""
    surprises_total: int = 0

    @property
    def transfers_per_second(self) -> float:
        """Gives the booked transfers by the seconds of the parts that book them."""
        booking = [Phase.FUND, Phase.SALARY, Phase.RENT, Phase.PURCHASE]
        seconds = sum(self.seconds_by_phase.get(phase, 0.0) for phase in booking)
        return self.booked / seconds if seconds else 0.0

    def note(self, sentence: str) -> None:
        """Keeps an unexpected answer."""
        self.surprises_total += 1
        if len(self.surprises) < SURPRISES_KEPT_MAX:
            self.surprises.append(sentence)


class BankDayRun:
    """One run of a script."""

    def __init__(
        self, day: BankDay, client: LedgerClient, *, clock: Clock, advance: Advance
    ) -> None:
        self._day = day
        self._client = client
        self._clock = clock
        self._advance = advance
        self._first_ids: dict[str, str] = {payment.key: "" for payment in day.retries}
        self.outcome = DayOutcome()

    async def play(self) -> DayOutcome:
        """Plays all parts and gives what was answered.

        Raises:
            DeadlineExceeded: The bank stopped answering.
        """
        await self._part(Phase.OPEN, self._day.openings, self._open)
        for phase, payments in self._day.payments.items():
            if phase == Phase.SALARY:
                await self._part(phase, _by_employer(payments), self._pay_salaries)
            else:
                ask = self._refused if phase == Phase.OVERDRAFT else self._booked
                await self._part(phase, payments, ask)
        await self._part(Phase.RETRY, self._day.retries, self._retried)
        self.outcome.attempts_repeated = self._client.attempts_repeated
        return self.outcome

    async def _part(
        self, phase: Phase, items: Iterable[_T], ask: Callable[[_T], Awaitable[None]]
    ) -> None:
        started_s = self._clock.monotonic_s()
        shared = iter(items)
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(self._work(phase, shared, ask))
        self.outcome.seconds_by_phase[phase] = self._clock.monotonic_s() - started_s

    async def _work(
        self, phase: Phase, shared: Iterator[_T], ask: Callable[[_T], Awaitable[None]]
    ) -> None:
        for item in shared:
            await ask(item)
            self._advance(phase, len(item) if isinstance(item, tuple) else 1)

    async def _open(self, opening: Opening) -> None:
        try:
            await self._client.accounts.open(
                currency=opening.currency,
                account_id=opening.account_id,
                kind=opening.kind,
                key=f"open-{opening.account_id}",
            )
        except Refused as refusal:
            self.outcome.note(f"opening {opening.account_id} was refused: {refusal}")

    async def _booked(self, payment: Payment) -> None:
        try:
            receipt = await self._send(payment)
        except Refused as refusal:
            self.outcome.note(f"{payment.key} was refused: {refusal}")
            return
        self.outcome.booked += 1
        if payment.key in self._first_ids:
            self._first_ids[payment.key] = receipt.id

    async def _pay_salaries(self, payments: tuple[Payment, ...]) -> None:
        """Pays many people in one request; each payment keeps a key of its own."""
        executed = await self._client.batches.run(
            [_item(payment) for payment in payments], key=f"{payments[0].key}-batch"
        )
        self.outcome.batches += 1
        for payment, result in zip(payments, executed.results, strict=True):
            if result.refusal is None:
                self.outcome.booked += 1
            else:
                self.outcome.note(f"{payment.key} was refused: {result.refusal.detail}")

    async def _refused(self, payment: Payment) -> None:
        try:
            await self._send(payment)
        except Refused as refusal:
            if refusal.code == "insufficient_funds":
                self.outcome.refused += 1
            else:
                self.outcome.note(f"{payment.key} was refused for another reason: {refusal}")
            return
        self.outcome.note(f"{payment.key} was booked beyond the funds of {payment.source}")

    async def _retried(self, payment: Payment) -> None:
        try:
            receipt = await self._send(payment)
        except Refused as refusal:
            self.outcome.note(f"the retry of {payment.key} was refused: {refusal}")
            return
        if receipt.replayed and receipt.id == self._first_ids[payment.key]:
            self.outcome.replayed += 1
        else:
            self.outcome.note(f"the retry of {payment.key} was not answered with its receipt")

    async def _send(self, payment: Payment) -> Transferred:
        return await self._client.transfers.make(
            payment.source,
            payment.destination,
            amount=payment.amount,
            currency=payment.currency,
            key=payment.key,
            description=payment.description,
        )


def _by_employer(payments: tuple[Payment, ...]) -> Iterator[tuple[Payment, ...]]:
    """Parts payments into batches, each of one payer."""
    by_payer: dict[str, list[Payment]] = {}
    for payment in payments:
        by_payer.setdefault(payment.source, []).append(payment)
    for one in by_payer.values():
        for start in range(0, len(one), BATCH_PAYMENTS):
            yield tuple(one[start : start + BATCH_PAYMENTS])


def _item(payment: Payment) -> TransferItem:
    return TransferItem(
        source=payment.source,
        destination=payment.destination,
        amount=payment.amount,
        currency=payment.currency,
        description=payment.description,
        idempotency_key=payment.key,
    )
