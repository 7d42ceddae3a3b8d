"""What a client does next: the mix of the load, drawn by seed.

The clients share what they may refer to (open holds, transfers, finished commands), so two of
them sometimes want to end the same hold or reverse the same transfer; one of them must lose.
"""

from __future__ import annotations

import bisect
import itertools
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec

from chronos.chaos.bank import (
    AMOUNT_MAX,
    HOT_ACCOUNTS,
    SETTLEMENT,
    ZIPF_SKEW,
    BankAccount,
)
from chronos.chaos.history import Kind

CROSS_CURRENCY_SHARE: Final = 0.02
"""Of the transfers; each must be refused."""
HOLDS_OPEN_MAX: Final = 48
"""Of all clients; with so many, the next one is ended before another is placed."""
KEPT_OPEN_SHARE: Final = 0.1
"""How often what is ended or reversed is left for another client to try too."""
REMEMBERED_MAX: Final = 256
EVENTS_AGAIN_MAX: Final = 4
"""Events before the known version that are read once more."""
PAGE: Final = 30

MIX: Final = (
    (Kind.TRANSFER, 55),
    (Kind.HOLD, 10),
    (Kind.REVERSAL, 5),
    (Kind.READ, 10),
    (Kind.SNAPSHOT, 10),
    (Kind.PROJECTED, 5),
    (Kind.RETRY, 5),
)
"""Hundredths; HOLD stands for placing, capturing and voiding."""
_T = TypeVar("_T")
_KINDS: Final = tuple(kind for kind, _ in MIX)
_BOUNDS: Final = tuple(itertools.accumulate(share / 100 for _, share in MIX))[:-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenHold:
    """A hold that was placed; it may have ended since."""

    hold_id: str
    account: BankAccount
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Intention:
    """One operation before its number: what will be sent, byte for byte."""

    kind: Kind
    method: str
    path: str
    key: str = ""
    body: str = ""
    hold: OpenHold | None = None
    """That will be there when a placing is granted."""
    account_id: str = ""
    """That a read is about."""


SNAPSHOT: Final = Intention(kind=Kind.SNAPSHOT, method="SQL", path="heads")


@dataclass(slots=True)
class Memory:
    """What all clients of a run may refer to; the oldest is forgotten."""

    transfers: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED_MAX))
    holds: deque[OpenHold] = field(default_factory=lambda: deque(maxlen=REMEMBERED_MAX))
    finished: deque[Intention] = field(default_factory=lambda: deque(maxlen=REMEMBERED_MAX))

    def granted(self, intention: Intention) -> None:
        """Keeps what came to be."""
        if intention.kind is Kind.TRANSFER:
            self.transfers.append(intention.key)
        elif intention.hold is not None:
            self.holds.append(intention.hold)


@dataclass(slots=True)
class Seen:
    """The versions that one client knows."""

    newest: dict[str, int] = field(default_factory=dict)
    """Of each account, from any answer."""
    last_written: dict[str, int] = field(default_factory=dict)
    """Of the accounts of its last acknowledged command."""


class Chooser:
    """Draws the operations of one client.

    Args:
        bank: All accounts, in the order of `bank.accounts()`.
        memory: What the clients share.
        seed: Of the run.
        client: Number of the client; its choices are its own.
    """

    def __init__(
        self, bank: tuple[BankAccount, ...], memory: Memory, *, seed: int, client: int
    ):
        self._memory = memory
        self._chance = random.Random(f"choice/{seed}/{client}")  # noqa: S311 - to be repeated
        self._prefix = f"s{seed}-c{client}-"
        self._numbers = itertools.count(1)
        self._reads_events = False
        self.seen = Seen()
        self._draw = {
            Kind.TRANSFER: self._transfer,
            Kind.HOLD: self._about_holds,
            Kind.REVERSAL: self._reversal,
            Kind.READ: self._read,
            Kind.SNAPSHOT: lambda: SNAPSHOT,
            Kind.PROJECTED: self._projected,
            Kind.RETRY: self._retry,
        }
        funded = [one for one in bank if not one.account_id.startswith(SETTLEMENT)]
        self._hot, self._ranked = funded[:HOT_ACCOUNTS], funded[HOT_ACCOUNTS:]
        weights = [1 / rank**ZIPF_SKEW for rank in range(1, len(self._ranked) + 1)]
        total = sum(weights)
        self._rank_bounds = [weight / total for weight in itertools.accumulate(weights[:-1])]

    def next(self) -> Intention:
        """Draws the next operation; what has nothing to refer to becomes a transfer."""
        return self._draw[_KINDS[bisect.bisect(_BOUNDS, self._chance.random())]]()

    def _transfer(self) -> Intention:
        source = self._account()
        is_crossing = self._chance.random() < CROSS_CURRENCY_SHARE
        destination = self._partner(source, other_currency=is_crossing)
        key = self._key()
        body = {
            "id": key,
            "from": source.account_id,
            "to": destination.account_id,
            "amount": self._amount(AMOUNT_MAX),
            "currency": source.currency,
        }
        return _command(Kind.TRANSFER, "/v1/transfers", key, body)

    def _about_holds(self) -> Intention:
        holds = self._memory.holds
        if holds and (len(holds) >= HOLDS_OPEN_MAX or self._chance.random() < 0.5):
            hold = self._pick(holds)
            return self._capture(hold) if self._chance.random() < 0.5 else self._void(hold)
        account, key = self._account(), self._key()
        hold = OpenHold(hold_id=key, account=account, amount=self._amount(AMOUNT_MAX))
        body = {
            "id": key,
            "account": account.account_id,
            "amount": hold.amount,
            "currency": account.currency,
        }
        return _command(Kind.HOLD, "/v1/holds", key, body, hold=hold)

    def _capture(self, hold: OpenHold) -> Intention:
        key = self._key()
        body = {
            "to": self._partner(hold.account, other_currency=False).account_id,
            "amount": self._amount(hold.amount),
            "transfer_id": key,
        }
        return _command(Kind.CAPTURE, f"/v1/holds/{hold.hold_id}/capture", key, body)

    def _void(self, hold: OpenHold) -> Intention:
        return _command(Kind.VOID, f"/v1/holds/{hold.hold_id}/void", self._key(), {})

    def _reversal(self) -> Intention:
        if not self._memory.transfers:
            return self._transfer()
        reversed_id, key = self._pick(self._memory.transfers), self._key()
        path = f"/v1/transfers/{reversed_id}/reverse"
        return _command(Kind.REVERSAL, path, key, {"transfer_id": key})

    def _retry(self) -> Intention:
        finished = self._memory.finished
        if not finished:
            return self._transfer()
        again = finished[self._chance.randrange(len(finished))]
        return Intention(
            kind=Kind.RETRY, method=again.method, path=again.path, key=again.key,
            body=again.body,
        )  # fmt: skip

    def _read(self) -> Intention:
        account_id = self._account().account_id
        self._reads_events = not self._reads_events
        path = f"/v1/accounts/{account_id}/balance"
        if self._reads_events:
            known = self.seen.newest.get(account_id, 0)
            after = max(0, known - self._chance.randint(0, EVENTS_AGAIN_MAX))
            path = f"/v1/accounts/{account_id}/events?after={after}&limit={PAGE}"
        return Intention(kind=Kind.READ, method="GET", path=path, account_id=account_id)

    def _projected(self) -> Intention:
        written = self.seen.last_written
        if not written:
            return self._transfer()
        account_id = list(written)[self._chance.randrange(len(written))]
        path = f"/v1/accounts/{account_id}/balance?min_version={written[account_id]}"
        return Intention(kind=Kind.PROJECTED, method="GET", path=path, account_id=account_id)

    def _account(self) -> BankAccount:
        if self._chance.random() < 0.5:
            return self._hot[self._chance.randrange(len(self._hot))]
        return self._ranked[bisect.bisect(self._rank_bounds, self._chance.random())]

    def _partner(self, account: BankAccount, *, other_currency: bool) -> BankAccount:
        while True:
            partner = self._account()
            has_other = partner.currency != account.currency
            if has_other is other_currency and partner is not account:
                return partner

    def _pick(self, some: deque[_T]) -> _T:
        number = self._chance.randrange(len(some))
        one = some[number]
        if self._chance.random() >= KEPT_OPEN_SHARE:
            del some[number]
        return one

    def _amount(self, most: int) -> int:
        return self._chance.randint(1, most)

    def _key(self) -> str:
        return f"{self._prefix}{next(self._numbers)}"


def _command(
    kind: Kind, path: str, key: str, body: dict[str, object], *, hold: OpenHold | None = None
) -> Intention:
    text = msgspec.json.encode(body).decode()
    return Intention(kind=kind, method="POST", path=path, key=key, body=text, hold=hold)
