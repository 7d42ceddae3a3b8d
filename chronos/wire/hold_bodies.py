"""Shapes of the requests about holds."""

from __future__ import annotations

import contextlib
from datetime import date

import msgspec

from chronos.domain.commands import CaptureHold, PlaceHold, VoidHold
from chronos.domain.ids import AccountId, HoldId, TransferId
from chronos.wire.bodies import CommandBody
from chronos.wire.problems import InputError
from chronos.wire.terms import (
    Amount,
    Asked,
    CurrencyCode,
    Description,
    ExpectedVersions,
    ExternalId,
    Id,
    Instant,
    Metadata,
    by_account,
    currency_errors,
    in_utc,
    instant_errors,
    stranger_errors,
)


class HoldBody(CommandBody, frozen=True, kw_only=True):
    """The body of `POST /v1/holds`."""

    account: Id
    amount: Amount
    currency: CurrencyCode
    id: Id | None = None
    expires_at: Instant | None = None
    description: Description | None = None
    metadata: Metadata | None = None
    expected_versions: ExpectedVersions | None = None

    def __post_init__(self) -> None:
        """Keeps the expiry in UTC: the same instant, written otherwise, is the same meaning."""
        with contextlib.suppress(OverflowError):  # told by `rule_errors`
            msgspec.structs.force_setattr(self, "expires_at", in_utc(self.expires_at))

    def rule_errors(self) -> list[InputError]:
        """Names what no type can say: a currency not in use, a version of a stranger."""
        return [
            *currency_errors(self.currency),
            *instant_errors(self.expires_at, "/expires_at"),
            *stranger_errors(self.expected_versions, (self.account,)),
        ]

    def command(self, asked: Asked) -> PlaceHold:
        """Gives the command that the body asks for."""
        return PlaceHold(
            hold_id=HoldId(self.id or asked.fresh_id("hld_")),
            account_id=AccountId(self.account),
            amount=self.amount,
            currency=self.currency,
            expires_at=in_utc(self.expires_at),
            description=self.description,
            metadata=self.metadata or {},
            expected_versions=by_account(self.expected_versions),
        )


class CaptureBody(CommandBody, frozen=True, kw_only=True):
    """The body of `POST /v1/holds/{id}/capture`; without an amount, all of the hold."""

    destination: Id = msgspec.field(name="to")
    amount: Amount | None = None
    transfer_id: Id | None = None
    """Of the movement of money."""
    external_id: ExternalId | None = None
    description: Description | None = None
    value_date: date | None = None
    metadata: Metadata | None = None
    expected_versions: ExpectedVersions | None = None

    def command(self, asked: Asked) -> CaptureHold:
        """Gives the command that the body asks for."""
        return CaptureHold(
            hold_id=HoldId(asked.subject),
            transfer_id=TransferId(self.transfer_id or asked.fresh_id("trf_")),
            destination=AccountId(self.destination),
            amount=self.amount,
            external_id=self.external_id,
            description=self.description,
            value_date=self.value_date,
            metadata=self.metadata or {},
            expected_versions=by_account(self.expected_versions),
        )


class VoidBody(CommandBody, frozen=True, kw_only=True):
    """The body of `POST /v1/holds/{id}/void`; may be left out."""

    description: Description | None = None
    expected_versions: ExpectedVersions | None = None

    def command(self, asked: Asked) -> VoidHold:
        """Gives the command that the body asks for."""
        return VoidHold(
            hold_id=HoldId(asked.subject),
            description=self.description,
            expected_versions=by_account(self.expected_versions),
        )
