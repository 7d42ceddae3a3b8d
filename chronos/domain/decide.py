"""`decide(states, command)`: the one door through which anything happens."""

from __future__ import annotations

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
from chronos.domain.exchange import decide_exchange
from chronos.domain.hold import decide_capture, decide_expire, decide_place, decide_void
from chronos.domain.lifecycle import decide_open, decide_verb
from chronos.domain.rejections import Rejected
from chronos.domain.states import Accepted, States
from chronos.domain.transfer import decide_entries, decide_reversal, decide_transfer


def decide(states: States, command: Command) -> Accepted | Rejected:
    """Decides a command against the present states; pure and total.

    Returns:
        Accepted with at least one event, whose amounts sum to zero per currency, or Rejected.
    """
    match command:
        case TransferFunds() | PostEntries() | ExchangeFunds() | ReverseTransfer():
            return _decide_entry(states, command)
        case PlaceHold() | CaptureHold() | VoidHold() | ExpireHold():
            return _decide_hold(states, command)
        case OpenAccount():
            return decide_open(states, command)
        case (
            SetOverdraftLimit()
            | FreezeAccount()
            | UnfreezeAccount()
            | CloseAccount()
            | AnnotateAccount()
        ):
            return decide_verb(states, command)
        case _:
            assert_never(command)


def _decide_entry(states: States, command: EntryCommand) -> Accepted | Rejected:
    match command:
        case TransferFunds():
            return decide_transfer(states, command)
        case PostEntries():
            return decide_entries(states, command)
        case ExchangeFunds():
            return decide_exchange(states, command)
        case ReverseTransfer():
            return decide_reversal(states, command)
        case _:
            assert_never(command)


def _decide_hold(states: States, command: HoldCommand) -> Accepted | Rejected:
    match command:
        case PlaceHold():
            return decide_place(states, command)
        case CaptureHold():
            return decide_capture(states, command)
        case VoidHold():
            return decide_void(states, command)
        case ExpireHold():
            return decide_expire(states, command)
        case _:
            assert_never(command)
