"""The counter: one guest's stay, step by step, with all that a bank does besides transfers.

Every step is one or two requests, and its answer is compared with this story's own arithmetic.
It uses holds (one captured, one left to expire), an exchange, a reversal, a freeze, and ends
with the guest's statement.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from chronos.client.answers import Touched
from chronos.client.ledger_client import LedgerClient
from chronos.client.refusals import Refused
from chronos.client.statements import StatementPage
from chronos.clock import Clock
from chronos.demo.script import CURRENCY, SETTLEMENT
from chronos.domain.currency import format_amount

YEN: Final = "JPY"
MINIBAR_EXPIRES_S: Final = 2.0
EXPIRY_DEADLINE_S: Final = 30.0
_LOOK_AGAIN_S: Final = 0.1
_LINES_MAX: Final = 50

_ARRIVES_WITH: Final = 100_000
_ROOM_HELD: Final = 30_000
_ROOM_PAID: Final = 24_000
_MINIBAR_HELD: Final = 5_000
_EUROS_SOLD: Final = 10_000
_YEN_BOUGHT: Final = 16_500
_WRONG_BILL: Final = 2_500


@dataclass(slots=True, kw_only=True)
class Told:
    """What happened at the counter."""

    sentences: list[str] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    expected: Counter[str] = field(default_factory=Counter)
    """What the story changed in each account, in minor units, by its own addition."""
    statement: StatementPage | None = None


class CounterRun:
    """One run of the story.

    Args:
        client: Speaks to the bank.
        clock: Tells when holds expire and waits end.
        suffix: Ends the name of every account and key, as in the rest of the day.
        seed: Part of the keys.
    """

    def __init__(self, client: LedgerClient, *, clock: Clock, suffix: str, seed: int):
        self._client = client
        self._clock = clock
        self._suffix = suffix
        self._seed = seed
        self._keys = 0
        self.told = Told()

    async def play(self) -> Told:
        """Plays the story to its end, whatever comes of a step.

        Raises:
            DeadlineExceeded: The bank stopped answering.
        """
        minibar = self._name("hold.minibar")
        steps: tuple[Callable[[], Awaitable[str]], ...] = (
            self._arrive,
            lambda: self._hold_minibar(minibar),
            self._hold_room,
            self._pay_room,
            self._exchange,
            self._wrong_bill,
            self._freeze,
            lambda: self._let_expire(minibar),
        )
        for step in steps:
            try:
                self.told.sentences.append(await step())
            except Refused as refusal:
                self.told.surprises.append(f"at the counter: {refusal}")
        listing = self._client.accounts.statement(self._guest, limit=_LINES_MAX)
        self.told.statement = await listing.page()
        return self.told

    @property
    def _guest(self) -> str:
        return self._name("guest")

    async def _arrive(self) -> str:
        accounts = {
            "guest": (CURRENCY, "customer"),
            "hotel": (CURRENCY, "customer"),
            "guest.yen": (YEN, "customer"),
            "position.eur": (CURRENCY, "position"),
            "position.jpy": (YEN, "position"),
        }
        for name, (currency, kind) in accounts.items():
            self.told.expected[self._name(name)] = 0
            await self._client.accounts.open(
                self._name(name), currency=currency, kind=kind, key=self._key()
            )
        receipt = await self._client.transfers.make(
            self._name(SETTLEMENT),
            self._guest,
            amount=_ARRIVES_WITH,
            currency=CURRENCY,
            description="incoming payment",
            key=self._key(),
        )
        self._moved(SETTLEMENT, "guest", _ARRIVES_WITH)
        self._expect(receipt.accounts, available=_ARRIVES_WITH)
        return f"a guest arrives with {_euros(_ARRIVES_WITH)}"

    async def _hold_minibar(self, hold_id: str) -> str:
        await self._client.holds.place(
            self._guest,
            id=hold_id,
            amount=_MINIBAR_HELD,
            currency=CURRENCY,
            expires_at=self._clock.now() + timedelta(seconds=MINIBAR_EXPIRES_S),
            description="minibar, just in case",
            key=self._key(),
        )
        return f"{_euros(_MINIBAR_HELD)} are held for the minibar for {MINIBAR_EXPIRES_S:g} s"

    async def _hold_room(self) -> str:
        placed = await self._client.holds.place(
            self._guest,
            id=self._name("hold.room"),
            amount=_ROOM_HELD,
            currency=CURRENCY,
            description="room",
            key=self._key(),
        )
        held = placed.accounts[self._guest]
        return (
            f"{_euros(_ROOM_HELD)} are held for the room: {_euros(held.booked)} booked, "
            f"{_euros(held.available)} available"
        )

    async def _pay_room(self) -> str:
        ended = await self._client.holds.capture(
            self._name("hold.room"),
            self._name("hotel"),
            amount=_ROOM_PAID,
            description="room",
            key=self._key(),
        )
        self._moved("guest", "hotel", _ROOM_PAID)
        self._expect(ended.accounts)
        return (
            f"the hotel captures {_euros(_ROOM_PAID)} of it, "
            f"{_euros(_ROOM_HELD - _ROOM_PAID)} are free again"
        )

    async def _exchange(self) -> str:
        receipt = await self._client.transfers.exchange(
            self._guest,
            self._name("guest.yen"),
            sell_amount=_EUROS_SOLD,
            buy_amount=_YEN_BOUGHT,
            sell_position=self._name("position.eur"),
            buy_position=self._name("position.jpy"),
            description="yen for the journey",
            key=self._key(),
        )
        self._moved("guest", "position.eur", _EUROS_SOLD)
        self._moved("position.jpy", "guest.yen", _YEN_BOUGHT)
        self._expect(receipt.accounts)
        return (
            f"{_euros(_EUROS_SOLD)} become {format_amount(_YEN_BOUGHT, YEN)} {YEN}, "
            "through the bank's positions"
        )

    async def _wrong_bill(self) -> str:
        receipt = await self._client.transfers.make(
            self._guest,
            self._name("hotel"),
            amount=_WRONG_BILL,
            currency=CURRENCY,
            description="somebody else's dinner",
            key=self._key(),
        )
        reversal = await self._client.transfers.reverse(
            receipt.id, description="not this guest's", key=self._key()
        )
        self._expect(reversal.accounts)
        return f"a wrong bill of {_euros(_WRONG_BILL)} is paid, and reversed"

    async def _freeze(self) -> str:
        await self._client.accounts.freeze(self._guest, scope="debits", key=self._key())
        refused_with = ""
        try:
            await self._client.transfers.make(
                self._guest,
                self._name("hotel"),
                amount=1,
                currency=CURRENCY,
                key=self._key(),
            )
        except Refused as refusal:
            refused_with = refusal.code
        if refused_with != "account_frozen":
            self.told.surprises.append("a frozen account paid")
        await self._client.accounts.unfreeze(self._guest, key=self._key())
        return f"the card is lost: frozen, a payment refused ({refused_with}), unfrozen"

    async def _let_expire(self, hold_id: str) -> str:
        until_s = self._clock.monotonic_s() + EXPIRY_DEADLINE_S
        while (hold := await self._client.holds.read(hold_id)).status == "open":
            if self._clock.monotonic_s() > until_s:
                self.told.surprises.append(f"hold {hold_id} did not expire")
                break
            await asyncio.sleep(_LOOK_AGAIN_S)
        account = await self._client.accounts.read(self._guest)
        if account.held:
            self.told.surprises.append(f"{_euros(account.held)} are still held")
        return f"the minibar's hold is {hold.status}: nothing is held any more"

    def _moved(self, source: str, destination: str, amount: int) -> None:
        self.told.expected[self._name(source)] -= amount
        self.told.expected[self._name(destination)] += amount

    def _expect(self, accounts: Mapping[str, Touched], *, available: int | None = None) -> None:
        """Compares the guest's balance in a receipt with the story's addition."""
        touched, booked = accounts[self._guest], self.told.expected[self._guest]
        if touched.booked != booked or available not in (None, touched.available):
            self.told.surprises.append(
                f"the guest has {touched.booked}, the story says {booked}"
            )

    def _name(self, name: str) -> str:
        return name + self._suffix

    def _key(self) -> str:
        self._keys += 1
        return f"counter-{self._seed}{self._suffix}-{self._keys}"


def _euros(amount: int) -> str:
    return f"{format_amount(amount, CURRENCY)} {CURRENCY}"
