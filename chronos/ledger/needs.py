"""What each command must have locked and read before it can be decided."""

from __future__ import annotations

from typing import assert_never

from chronos.domain.commands import Command, OpenAccount, TransferFunds
from chronos.wire.booking import Needs


def needs_of(command: Command) -> Needs:
    """Tells what a command must have locked and read, and how many events it writes at most."""
    match command:
        case OpenAccount():
            return Needs(
                accounts=(command.account_id,),
                transfers=(),
                external_ids=() if command.external_id is None else (command.external_id,),
                events_max=1,
            )
        case TransferFunds():
            return Needs(
                accounts=(command.source, command.destination),
                transfers=(command.transfer_id,),
                external_ids=(),
                events_max=2,
            )
        case _:
            assert_never(command)
