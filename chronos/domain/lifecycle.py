"""The life of an account: opening it."""

from __future__ import annotations

from chronos.domain.chart import CHART
from chronos.domain.commands import OpenAccount
from chronos.domain.events import AccountOpened
from chronos.domain.rejections import Rejected, RejectionCode
from chronos.domain.states import Accepted, States


def decide_open(states: States, command: OpenAccount) -> Accepted | Rejected:
    """Opens an account unless its id, or its external id, names one already."""
    if command.account_id in states.accounts:
        return Rejected(
            code=RejectionCode.ACCOUNT_EXISTS,
            detail=f"Account {command.account_id} exists already.",
            pointer="/id",
        )
    owner = (
        None if command.external_id is None else states.external_ids.get(command.external_id)
    )
    if owner is not None:
        return Rejected(
            code=RejectionCode.EXTERNAL_ID_EXISTS,
            detail=f"External id {command.external_id} belongs to account {owner}.",
            pointer="/external_id",
        )
    limit = command.overdraft_limit
    if limit is None and CHART[command.kind].bounded:
        limit = 0
    opened = AccountOpened(
        account_id=command.account_id,
        version=1,
        currency=command.currency,
        kind=command.kind,
        overdraft_limit=limit,
        external_id=command.external_id,
        metadata=command.metadata,
        value_date=states.booking_date,
    )
    return Accepted(events=(opened,))
