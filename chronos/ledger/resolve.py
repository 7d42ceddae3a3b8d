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
from chronos.wire.references import Referred, Wanted

_Referring = CaptureHold | VoidHold | ExpireHold | ReverseTransfer | ExchangeFunds


async def resolved(attempt: AnyAttempt, references: References) -> AnyAttempt:
    """Completes an attempt, or each item of a batch.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    if isinstance(attempt, Attempt):
        if not isinstance(attempt.command, _Referring):
            return attempt
        referred = await references.refer(_wanted((attempt.command,)))
        return _World.of(referred).complete(attempt)
    wanted = _wanted(item.command for item in attempt.items)
    if wanted == Wanted():
        return attempt
    world = _World.of(await references.refer(wanted))
    return replace(attempt, items=_in_turn(attempt.items, world))


def _in_turn(items: Sequence[Attempt], world: _World) -> tuple[Attempt, ...]:
    completed = []
    for item in items:
        complete = world.complete(item)
        world.note(complete)
        completed.append(complete)
    return tuple(completed)


def _wanted(commands: Iterable[Command]) -> Wanted:
    entries: dict[TransferId, None] = {}
    holds: dict[HoldId, None] = {}
    accounts: dict[AccountId, None] = {}
    for command in commands:
        match command:
            case CaptureHold() | VoidHold() | ExpireHold():
                holds[command.hold_id] = None
            case ReverseTransfer():
                entries[command.reverses] = None
            case ExchangeFunds():
                accounts.update({command.source: None, command.destination: None})
            case _:
                pass
    return Wanted(entries=tuple(entries), holds=tuple(holds), accounts=tuple(accounts))


@dataclass(slots=True, kw_only=True)
class _World:
    """What is known of holds, entries and currencies; grows with the items of a batch."""

    entries: dict[TransferId, tuple[AccountId, ...]] = field(default_factory=dict)
    holds: dict[HoldId, AccountId] = field(default_factory=dict)
    currencies: dict[AccountId, str] = field(default_factory=dict)
    positions: dict[str, AccountId] = field(default_factory=dict)

    @classmethod
    def of(cls, referred: Referred) -> _World:
        return cls(
            entries=dict(referred.entries),
            holds=dict(referred.holds),
            currencies=dict(referred.currencies),
            positions=dict(referred.positions),
        )

    def complete(self, attempt: Attempt) -> Attempt:
        """Gives the attempt with the accounts that it refers to."""
        command = attempt.command
        match command:
            case CaptureHold() | VoidHold() | ExpireHold():
                account = self.holds.get(command.hold_id)
                return attempt if account is None else replace(attempt, also=(account,))
            case ReverseTransfer():
                return replace(attempt, also=self.entries.get(command.reverses, ()))
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
                    self.positions.setdefault(command.currency, command.account_id)
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
                earlier = self.entries.get(command.transfer_id, ())
                accounts = (*earlier, *attempt.also, *needs_of(command).accounts)
                self.entries[command.transfer_id] = tuple(dict.fromkeys(accounts))
            case _:
                pass

    def _with_positions(self, command: ExchangeFunds) -> ExchangeFunds:
        sold = self.currencies.get(command.source, "")
        bought = self.currencies.get(command.destination, "")
        return replace(
            command,
            sell_position=command.sell_position or self.positions.get(sold),
            buy_position=command.buy_position or self.positions.get(bought),
        )
