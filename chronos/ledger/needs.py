"""What each command must have locked and read before it can be decided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from chronos.domain.commands import (
    AnnotateAccount,
    CaptureHold,
    CloseAccount,
    Command,
    EntryCommand,
    ExchangeFunds,
    ExpireHold,
    FreezeAccount,
    HoldCommand,
    OpenAccount,
    PlaceHold,
    PostEntries,
    ReverseTransfer,
    SetOverdraftLimit,
    TransferFunds,
    UnfreezeAccount,
    VoidHold,
)
from chronos.domain.ids import AccountId
from chronos.wire.booking import Needs
from chronos.wire.bounds import CHARACTER_BYTES, EVENT_BYTES
from chronos.wire.terms import POSTINGS_MAX


def needs_of(command: Command) -> Needs:
    """Tells what a command must have locked and read, and how many events it writes at most.

    The accounts are those that the command names; those that it only refers to (of a hold, of a
    transfer to be reversed) are looked up before, by `chronos.ledger.resolve`.
    """
    needs = _needs(command)
    characters = _characters(command)
    if not characters:
        return needs
    return needs._replace(event_bytes=EVENT_BYTES + characters * CHARACTER_BYTES)


def _needs(command: Command) -> Needs:
    match command:
        case TransferFunds() | PostEntries() | ExchangeFunds() | ReverseTransfer():
            return _needs_of_entry(command)
        case PlaceHold() | CaptureHold() | VoidHold() | ExpireHold():
            return _needs_of_hold(command)
        case OpenAccount():
            external_id = command.external_id
            return Needs(
                accounts=(command.account_id,),
                external_ids=() if external_id is None else (external_id,),
                events_max=1,
            )
        case (
            SetOverdraftLimit()
            | FreezeAccount()
            | UnfreezeAccount()
            | CloseAccount()
            | AnnotateAccount()
        ):
            return Needs(accounts=(command.account_id,), events_max=1)
        case _:
            assert_never(command)


def _needs_of_entry(command: EntryCommand) -> Needs:
    transfers = (command.transfer_id,)
    accounts: tuple[AccountId, ...]
    match command:
        case TransferFunds():
            accounts = (command.source, command.destination)
            return Needs(accounts=accounts, transfers=transfers, events_max=2)
        case PostEntries():
            accounts = tuple(posting.account_id for posting in command.postings)
            return Needs(accounts=accounts, transfers=transfers, events_max=len(accounts))
        case ExchangeFunds():
            positions = (*command.sell_positions, *command.buy_positions)
            accounts = (command.source, command.destination, *positions)
            return Needs(accounts=accounts, transfers=transfers, events_max=4)
        case ReverseTransfer():
            return Needs(
                accounts=(),
                transfers=transfers,
                entries=(command.reverses,),
                events_max=POSTINGS_MAX,
            )
        case _:
            assert_never(command)


def _needs_of_hold(command: HoldCommand) -> Needs:
    holds = (command.hold_id,)
    match command:
        case PlaceHold():
            return Needs(accounts=(command.account_id,), holds=holds, events_max=1)
        case CaptureHold():
            return Needs(
                accounts=(command.destination,),
                transfers=(command.transfer_id,),
                holds=holds,
                events_max=3,
            )
        case VoidHold() | ExpireHold():
            return Needs(accounts=(), holds=holds, events_max=1)
        case _:
            assert_never(command)


def _characters(command: Command) -> int:
    """Counts the characters that a client chose, and that each event repeats."""
    match command:
        case ExpireHold():
            return 0
        case OpenAccount():
            return _in(command.metadata)
        case (
            VoidHold()
            | SetOverdraftLimit()
            | FreezeAccount()
            | UnfreezeAccount()
            | CloseAccount()
        ):
            return len(command.description or "")
        case _:
            return len(command.description or "") + _in(command.metadata)


def _in(metadata: Mapping[str, str]) -> int:
    return sum(len(key) + len(value) for key, value in metadata.items()) if metadata else 0
