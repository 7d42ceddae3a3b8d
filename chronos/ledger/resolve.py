"""Completes commands that name their accounts only by something else.

A capture names a hold, a reversal a transfer, an exchange two accounts whose currencies decide
which position accounts take part. Locks are taken before anything is read, so these accounts
are looked up before the transaction, all in one round trip; commands that name their accounts
themselves cost none. What is looked up was committed once and never changes, so nothing can
become wrong between the look and the locks. It can only be too new, and then it is not there.

Inside a batch, a command may refer to what an earlier one of the same batch makes: so each
item is completed with the look-up and with what its predecessors say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from chronos.domain.chart import AccountKind
from chronos.domain.commands import (
    CaptureHold,
    Command,
    ExchangeFunds,
    ExpireHold,
    OpenAccount,
    PlaceHold,
    PostEntries,
    ReverseTransfer,
    TransferFunds,
    VoidHold,
)
from chronos.domain.ids import AccountId, HoldId, TransferId
from chronos.ledger.needs import needs_of
from chronos.ledger.ports import References
from chronos.wire.booking import AnyAttempt, Attempt
from chronos.wire.bounds import BYTES_MAX, EVENTS_MAX
from chronos.wire.references import Referred, Wanted

CANDIDATES_MAX = 8
"""Position accounts of one currency that an exchange in a batch may choose among."""

_Referring = CaptureHold | VoidHold | ExpireHold | ReverseTransfer | ExchangeFunds


async def resolved(attempt: AnyAttempt, references: References) -> AnyAttempt | None:
    """Completes an attempt, or each item of a batch; None when no transaction could hold it.

    The bounds are asked before the look-up and while items are completed, so that what is too
    large costs no more than what is just not.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    if isinstance(attempt, Attempt):
        if not isinstance(attempt.command, _Referring):
            return attempt
        referred = await references.refer(_wanted((attempt.command,)))
        return _World.of(referred).complete(attempt)
    load = _Load()
    for item in attempt.items:
        load.add(item)
    if load.is_too_much:
        return None
    wanted = _wanted(item.command for item in attempt.items)
    if not (wanted.entries or wanted.holds or wanted.accounts):
        return attempt
    world = _World.of(await references.refer(wanted))
    items = _in_turn(attempt.items, world)
    return None if items is None else replace(attempt, items=items)


@dataclass(slots=True)
class _Load:
    """What the items of a batch come to, about: a reversal counts by what is known of it."""

    events: int = 0
    event_bytes: int = 0

    def add(self, attempt: Attempt) -> None:
        needs = needs_of(attempt.command).with_accounts(attempt.also)
        self.events += needs.events_max
        self.event_bytes += needs.events_max * needs.event_bytes

    @property
    def is_too_much(self) -> bool:
        return self.events > EVENTS_MAX or self.event_bytes > BYTES_MAX


def _in_turn(items: Sequence[Attempt], world: _World) -> tuple[Attempt, ...] | None:
    completed: list[Attempt] = []
    load = _Load()
    for item in items:
        complete = world.complete(item)
        load.add(complete)
        if load.is_too_much:
            return None
        world.note(complete)
        completed.append(complete)
    return tuple(completed)


def _wanted(commands: Iterable[Command]) -> Wanted:
    entries: dict[TransferId, None] = {}
    holds: dict[HoldId, None] = {}
    accounts: dict[AccountId, None] = {}
    currencies: dict[str, None] = {}
    for command in commands:
        match command:
            case CaptureHold() | VoidHold() | ExpireHold():
                holds[command.hold_id] = None
            case ReverseTransfer():
                entries[command.reverses] = None
            case ExchangeFunds():
                accounts.update({command.source: None, command.destination: None})
            case OpenAccount():
                currencies[command.currency] = None
            case _:
                pass
    return Wanted(
        entries=tuple(entries),
        holds=tuple(holds),
        accounts=tuple(accounts),
        currencies=tuple(currencies),
    )


@dataclass(slots=True, kw_only=True)
class _World:
    """What is known of holds, entries and currencies; grows with the items of a batch."""

    entries: dict[TransferId, dict[AccountId, None]] = field(default_factory=dict)
    holds: dict[HoldId, AccountId] = field(default_factory=dict)
    currencies: dict[AccountId, str] = field(default_factory=dict)
    positions: dict[str, dict[AccountId, None]] = field(default_factory=dict)
    """Of each currency those that may serve, the first that is there first."""

    @classmethod
    def of(cls, referred: Referred) -> _World:
        return cls(
            entries={name: dict.fromkeys(one) for name, one in referred.entries.items()},
            holds=dict(referred.holds),
            currencies=dict(referred.currencies),
            positions={code: {one: None} for code, one in referred.positions.items()},
        )

    def complete(self, attempt: Attempt) -> Attempt:
        """Gives the attempt with the accounts that it refers to."""
        command = attempt.command
        match command:
            case CaptureHold() | VoidHold() | ExpireHold():
                account = self.holds.get(command.hold_id)
                return attempt if account is None else replace(attempt, also=(account,))
            case ReverseTransfer():
                return replace(attempt, also=tuple(self.entries.get(command.reverses, ())))
            case ExchangeFunds():
                return replace(attempt, command=self._with_positions(command))
            case _:
                return attempt

    def note(self, attempt: Attempt) -> None:
        """Learns from an item what later items of its batch may refer to."""
        command = attempt.command
        match command:
            case OpenAccount():
                self.currencies.setdefault(command.account_id, command.currency)
                if command.kind is AccountKind.POSITION:
                    self.positions.setdefault(command.currency, {})[command.account_id] = None
            case PlaceHold():
                self.holds.setdefault(command.hold_id, command.account_id)
            case (
                TransferFunds()
                | PostEntries()
                | ExchangeFunds()
                | CaptureHold()
                | ReverseTransfer()
            ):
                # Of items that would take one id, any may be the one that is granted.
                accounts = self.entries.setdefault(command.transfer_id, {})
                accounts.update(dict.fromkeys((*attempt.also, *needs_of(command).accounts)))
            case _:
                pass

    def _with_positions(self, command: ExchangeFunds) -> ExchangeFunds:
        sold = self.currencies.get(command.source, "")
        bought = self.currencies.get(command.destination, "")
        return replace(
            command,
            sell_positions=command.sell_positions or self._candidates(sold),
            buy_positions=command.buy_positions or self._candidates(bought),
        )

    def _candidates(self, currency: str) -> tuple[AccountId, ...]:
        return tuple(self.positions.get(currency, ()))[:CANDIDATES_MAX]
