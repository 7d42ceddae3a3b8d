"""Transfers, entries and reversals: commands that are nothing but one journal entry."""

from __future__ import annotations

from chronos.domain.commands import PostEntries, ReverseTransfer, TransferFunds
from chronos.domain.entry import Entry, Leg, book
from chronos.domain.ids import AccountId
from chronos.domain.rejections import Rejected, RejectionCode
from chronos.domain.states import Accepted, JournalEntry, States


def decide_transfer(states: States, command: TransferFunds) -> Accepted | Rejected:
    """Moves the amount from the source to the destination."""
    if command.source == command.destination:
        return Rejected(
            code=RejectionCode.SAME_ACCOUNT,
            detail=f"The transfer names account {command.source} on both sides.",
            pointer="/to",
        )
    source, destination, currency = command.source, command.destination, command.currency
    entry = Entry(
        transfer_id=command.transfer_id,
        legs=(
            Leg(source, -command.amount, currency, destination, "/from", "/amount"),
            Leg(destination, command.amount, currency, source, "/to", "/amount"),
        ),
        description=command.description,
        value_date=command.value_date,
        metadata=command.metadata,
        expected_versions=command.expected_versions,
        external_id=command.external_id,
    )
    return decide_entry(states, entry)


def decide_entries(states: States, command: PostEntries) -> Accepted | Rejected:
    """Books the postings if they sum to zero and name no account twice."""
    excess = sum(posting.amount for posting in command.postings)
    if excess:
        return Rejected(
            code=RejectionCode.UNBALANCED,
            detail=f"The postings sum to {excess} minor units of {command.currency}, "
            "not to zero.",
            pointer="/postings",
        )
    accounts = [posting.account_id for posting in command.postings]
    twice = _first_twice(accounts)
    if twice is not None:
        return Rejected(
            code=RejectionCode.SAME_ACCOUNT,
            detail=f"The postings name account {accounts[twice]} twice.",
            pointer=f"/postings/{twice}/account",
        )
    entry = Entry(
        transfer_id=command.transfer_id,
        legs=tuple(
            Leg(
                posting.account_id,
                posting.amount,
                command.currency,
                _other(accounts, posting.account_id),
                f"/postings/{number}/account",
                f"/postings/{number}/amount",
            )
            for number, posting in enumerate(command.postings)
        ),
        description=command.description,
        value_date=command.value_date,
        metadata=command.metadata,
        expected_versions=command.expected_versions,
        external_id=command.external_id,
    )
    return decide_entry(states, entry)


def decide_reversal(states: States, command: ReverseTransfer) -> Accepted | Rejected:
    """Books an earlier entry once more with its sides swapped; once, and no reversal's own."""
    original = states.entries.get(command.reverses)
    # Accounts that are not there were not known when the locks were taken: the entry is newer.
    if original is None or not _all_known(states, original):
        return Rejected(
            code=RejectionCode.TRANSFER_NOT_FOUND,
            detail=f"There is no transfer {command.reverses}.",
            in_path=True,
        )
    if original.reversed_by is not None:
        return Rejected(
            code=RejectionCode.ALREADY_REVERSED,
            detail=f"Transfer {command.reverses} was reversed by {original.reversed_by}.",
        )
    if original.reverses is not None:
        return Rejected(
            code=RejectionCode.NOT_REVERSIBLE,
            detail=f"Transfer {command.reverses} is itself the reversal of "
            f"{original.reverses}.",
        )
    accounts = [posting.account_id for posting in original.postings]
    entry = Entry(
        transfer_id=command.transfer_id,
        legs=tuple(
            Leg(
                posting.account_id,
                -posting.amount,
                posting.currency,
                _other(accounts, posting.account_id),
            )
            for posting in original.postings
        ),
        description=command.description,
        value_date=command.value_date,
        metadata=command.metadata,
        expected_versions=command.expected_versions,
        reverses=command.reverses,
        id_pointer="/transfer_id",
    )
    return decide_entry(states, entry)


def decide_entry(states: States, entry: Entry) -> Accepted | Rejected:
    """Books an entry on the accounts as they are."""
    booked = book(entry, states, states.accounts)
    return booked if isinstance(booked, Rejected) else Accepted(events=booked)


def _other(accounts: list[AccountId], account_id: AccountId) -> AccountId | None:
    if len(accounts) != 2:
        return None
    return accounts[1] if accounts[0] == account_id else accounts[0]


def _first_twice(accounts: list[AccountId]) -> int | None:
    seen: set[AccountId] = set()
    for number, account_id in enumerate(accounts):
        if account_id in seen:
            return number
        seen.add(account_id)
    return None


def _all_known(states: States, entry: JournalEntry) -> bool:
    return all(posting.account_id in states.accounts for posting in entry.postings)
