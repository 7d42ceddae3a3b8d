"""`decide(states, command)`: the one door through which anything happens."""

from __future__ import annotations

from typing import assert_never

from chronos.domain.commands import Command, OpenAccount, TransferFunds
from chronos.domain.lifecycle import decide_open
from chronos.domain.rejections import Rejected
from chronos.domain.states import Accepted, States
from chronos.domain.transfer import decide_transfer


def decide(states: States, command: Command) -> Accepted | Rejected:
    """Decides a command against the present states; pure and total.

    Returns:
        Accepted with at least one event, whose amounts sum to zero per currency, or Rejected.
    """
    match command:
        case OpenAccount():
            return decide_open(states, command)
        case TransferFunds():
            return decide_transfer(states, command)
        case _:
            assert_never(command)
