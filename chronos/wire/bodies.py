"""Shapes of the requests of both doors: what msgspec checks, and what OpenAPI shows.

A bound stands once, in the type of the field (`terms.py`). Optional fields take null for
"absent". `omit_defaults` makes the canonical form of a body independent of fields left out,
also of those that a later version adds: the hash of a retry stays the same.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec

from chronos.domain.chart import AccountKind
from chronos.domain.commands import (
    Command,
    ExchangeFunds,
    OpenAccount,
    PostEntries,
    Posting,
    ReverseTransfer,
    TransferFunds,
)
from chronos.domain.ids import AccountId, TransferId
from chronos.wire.problems import InputError
from chronos.wire.terms import (
    POSTINGS_MAX,
    Amount,
    Asked,
    CurrencyCode,
    Description,
    ExpectedVersions,
    ExternalId,
    Id,
    Limit,
    Metadata,
    Signed,
    by_account,
    currency_errors,
    stranger_errors,
)


class Body(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The body of a request."""

    def rule_errors(self) -> list[InputError]:
        """Names what no type can say: nothing, unless a body knows better."""
        return []


class CommandBody(Body, frozen=True, kw_only=True):
    """The body of a request for one command."""

    def command(self, asked: Asked) -> Command:
        """Gives the command that the body asks for."""
        raise NotImplementedError


class OpenAccountBody(CommandBody, frozen=True, kw_only=True):
    """The body of `POST /v1/accounts`."""

    currency: CurrencyCode
    id: Id | None = None
    kind: AccountKind = AccountKind.CUSTOMER
    overdraft_limit: Limit | None = None
    external_id: ExternalId | None = None
    metadata: Metadata | None = None
    opened_on: date | None = None

    def rule_errors(self) -> list[InputError]:
        """Names what no type can say: a currency that is not in use."""
        return currency_errors(self.currency)

    def command(self, asked: Asked) -> OpenAccount:
        """Gives the command that the body asks for."""
        return OpenAccount(
            account_id=AccountId(self.id or asked.fresh_id("acc_")),
            currency=self.currency,
            kind=self.kind,
            overdraft_limit=self.overdraft_limit,
            external_id=self.external_id,
            metadata=self.metadata or {},
            opened_on=self.opened_on,
        )


class TransferBody(CommandBody, frozen=True, kw_only=True):
    """The body of `POST /v1/transfers`."""

    source: Id = msgspec.field(name="from")
    destination: Id = msgspec.field(name="to")
    amount: Amount
    currency: CurrencyCode
    id: Id | None = None
    external_id: ExternalId | None = None
    description: Description | None = None
    value_date: date | None = None
    metadata: Metadata | None = None
    expected_versions: ExpectedVersions | None = None

    def rule_errors(self) -> list[InputError]:
        """Names what no type can say: a currency not in use, a version of a stranger."""
        strangers = stranger_errors(self.expected_versions, (self.source, self.destination))
        return currency_errors(self.currency) + strangers

    def command(self, asked: Asked) -> TransferFunds:
        """Gives the command that the body asks for."""
        return TransferFunds(
            transfer_id=TransferId(self.id or asked.fresh_id("trf_")),
            source=AccountId(self.source),
            destination=AccountId(self.destination),
            amount=self.amount,
            currency=self.currency,
            external_id=self.external_id,
            description=self.description,
            value_date=self.value_date,
            metadata=self.metadata or {},
            expected_versions=by_account(self.expected_versions),
        )


class PostingBody(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """One posting of an entry; the amount is not zero."""

    account: Id
    amount: Signed


Postings = Annotated[
    tuple[PostingBody, ...],
    msgspec.Meta(min_length=2, max_length=POSTINGS_MAX, description="They sum to zero."),
]


class EntriesBody(CommandBody, frozen=True, kw_only=True):
    """The body of `POST /v1/entries`."""

    postings: Postings
    currency: CurrencyCode
    id: Id | None = None
    external_id: ExternalId | None = None
    description: Description | None = None
    value_date: date | None = None
    metadata: Metadata | None = None
    expected_versions: ExpectedVersions | None = None

    def rule_errors(self) -> list[InputError]:
        """Names what no type can say: a currency not in use, an amount of zero, a stranger."""
        accounts = [posting.account for posting in self.postings]
        zeros = [
            InputError(
                pointer=f"/postings/{number}/amount",
                code="amount_invalid",
                detail="A posting moves an amount other than zero.",
            )
            for number, posting in enumerate(self.postings)
            if posting.amount == 0
        ]
        strangers = stranger_errors(self.expected_versions, accounts)
        return currency_errors(self.currency) + zeros + strangers

    def command(self, asked: Asked) -> PostEntries:
        """Gives the command that the body asks for."""
        return PostEntries(
            transfer_id=TransferId(self.id or asked.fresh_id("trf_")),
            postings=tuple(
                Posting(AccountId(posting.account), posting.amount) for posting in self.postings
            ),
            currency=self.currency,
            external_id=self.external_id,
            description=self.description,
            value_date=self.value_date,
            metadata=self.metadata or {},
            expected_versions=by_account(self.expected_versions),
        )


class ExchangeBody(CommandBody, frozen=True, kw_only=True):
    """The body of `POST /v1/exchanges`.

    Without position accounts, the bank's oldest one of each currency takes the other side.
    """

    source: Id = msgspec.field(name="from")
    destination: Id = msgspec.field(name="to")
    sell_amount: Amount
    buy_amount: Amount
    sell_currency: CurrencyCode | None = None
    buy_currency: CurrencyCode | None = None
    sell_position: Id | None = None
    buy_position: Id | None = None
    id: Id | None = None
    external_id: ExternalId | None = None
    description: Description | None = None
    value_date: date | None = None
    metadata: Metadata | None = None
    expected_versions: ExpectedVersions | None = None

    def rule_errors(self) -> list[InputError]:
        """Names what no type can say: currencies that are not in use."""
        errors: list[InputError] = []
        if self.sell_currency is not None:
            errors += currency_errors(self.sell_currency, "/sell_currency")
        if self.buy_currency is not None:
            errors += currency_errors(self.buy_currency, "/buy_currency")
        return errors

    def command(self, asked: Asked) -> ExchangeFunds:
        """Gives the command that the body asks for."""
        return ExchangeFunds(
            transfer_id=TransferId(self.id or asked.fresh_id("trf_")),
            source=AccountId(self.source),
            destination=AccountId(self.destination),
            sell_amount=self.sell_amount,
            buy_amount=self.buy_amount,
            sell_currency=self.sell_currency,
            buy_currency=self.buy_currency,
            sell_positions=_named(self.sell_position),
            buy_positions=_named(self.buy_position),
            external_id=self.external_id,
            description=self.description,
            value_date=self.value_date,
            metadata=self.metadata or {},
            expected_versions=by_account(self.expected_versions),
        )


class ReverseBody(CommandBody, frozen=True, kw_only=True):
    """The body of `POST /v1/transfers/{id}/reverse`; may be left out."""

    transfer_id: Id | None = None
    """Of the reversal."""
    description: Description | None = None
    value_date: date | None = None
    metadata: Metadata | None = None
    expected_versions: ExpectedVersions | None = None

    def command(self, asked: Asked) -> ReverseTransfer:
        """Gives the command that the body asks for."""
        return ReverseTransfer(
            transfer_id=TransferId(self.transfer_id or asked.fresh_id("trf_")),
            reverses=TransferId(asked.subject),
            description=self.description,
            value_date=self.value_date,
            metadata=self.metadata or {},
            expected_versions=by_account(self.expected_versions),
        )


def _named(account_id: str | None) -> tuple[AccountId, ...]:
    return () if account_id is None else (AccountId(account_id),)
