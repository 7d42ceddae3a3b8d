"""Exchanges: one currency sold for another, through the bank's position accounts.

Each currency sums to zero by itself: what the source pays goes to the bank's position in that
currency, what the destination gets comes from its position in the other. The two positions
together are what the bank gained and risks.
"""

from __future__ import annotations

from chronos.domain.account import AccountState, AccountStatus
from chronos.domain.chart import AccountKind
from chronos.domain.checks import not_found, wrong_currency
from chronos.domain.commands import ExchangeFunds
from chronos.domain.entry import Entry, Leg
from chronos.domain.ids import AccountId
from chronos.domain.rejections import Rejected, RejectionCode
from chronos.domain.states import Accepted, States
from chronos.domain.transfer import decide_entry


def decide_exchange(states: States, command: ExchangeFunds) -> Accepted | Rejected:
    """Sells for the source and buys for the destination, both or neither."""
    source = states.accounts.get(command.source)
    if source is None:
        return not_found(command.source, "/from")
    destination = states.accounts.get(command.destination)
    if destination is None:
        return not_found(command.destination, "/to")
    refused = _unequal(command, source, destination)
    if refused is not None:
        return refused
    positions = _positions(states, command, source.currency, destination.currency)
    if isinstance(positions, Rejected):
        return positions
    return decide_entry(states, _entry(command, source, destination, positions))


def _unequal(
    command: ExchangeFunds, source: AccountState, destination: AccountState
) -> Rejected | None:
    if command.source == command.destination:
        return Rejected(
            code=RejectionCode.SAME_ACCOUNT,
            detail=f"The exchange names account {command.source} on both sides.",
            pointer="/to",
        )
    if command.sell_currency is not None:
        refused = wrong_currency(source, command.sell_currency, "/sell_currency")
        if refused is not None:
            return refused
    if command.buy_currency is not None:
        refused = wrong_currency(destination, command.buy_currency, "/buy_currency")
        if refused is not None:
            return refused
    if source.currency == destination.currency:
        return Rejected(
            code=RejectionCode.CURRENCY_MISMATCH,
            detail=f"Both accounts are kept in {source.currency}: a transfer moves money "
            "within one currency.",
            pointer="/to",
        )
    return None


def _positions(
    states: States, command: ExchangeFunds, sold: str, bought: str
) -> tuple[AccountId, AccountId] | Rejected:
    """Gives the bank's two position accounts, or refuses when one is not there."""
    mine = _position(states, command.sell_positions, sold)
    other = _position(states, command.buy_positions, bought)
    if mine is None or other is None:
        return Rejected(
            code=RejectionCode.POSITION_ACCOUNT_MISSING,
            detail=f"The bank has no position account in {bought if mine else sold}; open one "
            "of kind position.",
        )
    if {mine, other} & {command.source, command.destination}:
        return Rejected(
            code=RejectionCode.SAME_ACCOUNT,
            detail="The exchange goes through a position account that is also a side of it.",
            pointer="/from" if command.source in (mine, other) else "/to",
        )
    return mine, other


def _position(
    states: States, candidates: tuple[AccountId, ...], currency: str
) -> AccountId | None:
    """Gives the first candidate that is a position in the currency; an open one if possible."""
    found: AccountId | None = None
    for account_id in candidates:
        account = states.accounts.get(account_id)
        if account is None or account.kind is not AccountKind.POSITION:
            continue
        if account.currency != currency:
            continue
        if account.status is AccountStatus.OPEN:
            return account_id
        found = found or account_id
    return found


def _entry(
    command: ExchangeFunds,
    source: AccountState,
    destination: AccountState,
    positions: tuple[AccountId, AccountId],
) -> Entry:
    sold, bought = positions
    sell, buy = command.sell_amount, command.buy_amount
    paid, gained = source.currency, destination.currency
    payer, payee = source.account_id, destination.account_id
    return Entry(
        transfer_id=command.transfer_id,
        legs=(
            Leg(payer, -sell, paid, payee, "/from", "/sell_amount"),
            Leg(sold, sell, paid, payer, None, "/sell_amount"),
            Leg(bought, -buy, gained, payee, None, "/buy_amount"),
            Leg(payee, buy, gained, payer, "/to", "/buy_amount"),
        ),
        description=command.description,
        value_date=command.value_date,
        metadata=command.metadata,
        expected_versions=command.expected_versions,
        external_id=command.external_id,
    )
