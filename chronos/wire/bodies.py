"""Shapes of the requests of both doors: what msgspec checks, and what OpenAPI shows.

A bound stands here once, in the type of the field. Optional fields take null for "absent".
`omit_defaults` makes the canonical form of a body independent of fields left out, also of those
that a later version adds: the hash of a retry stays the same.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated

import msgspec
from msgspec import Meta

from chronos.domain.chart import AccountKind
from chronos.domain.commands import OpenAccount, TransferFunds
from chronos.domain.currency import EXPONENTS
from chronos.domain.ids import AccountId, TransferId
from chronos.domain.money import AMOUNT_MAX
from chronos.wire.problems import InputError

ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}\Z"
# No control characters, no line separators, none of the marks that reorder a line's text.
_PLAIN = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff"
TEXT_PATTERN = rf"^[^{_PLAIN}]*\Z"
DESCRIPTION_LENGTH_MAX = 140
METADATA_KEYS_MAX = 16
METADATA_VALUE_LENGTH_MAX = 500
EXTERNAL_ID_LENGTH_MAX = 128

Id = Annotated[str, Meta(pattern=ID_PATTERN, description="Chosen by the client, or generated.")]
Amount = Annotated[int, Meta(ge=1, le=AMOUNT_MAX, description="Minor units.")]
Limit = Annotated[int, Meta(ge=0, le=AMOUNT_MAX, description="Minor units below zero.")]
CurrencyCode = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z", description="ISO 4217, in use.")]
Description = Annotated[
    str, Meta(max_length=DESCRIPTION_LENGTH_MAX, pattern=TEXT_PATTERN, description="One line.")
]
ExternalId = Annotated[
    str, Meta(min_length=1, max_length=EXTERNAL_ID_LENGTH_MAX, pattern=TEXT_PATTERN)
]
MetadataKey = Annotated[str, Meta(pattern=ID_PATTERN)]
MetadataValue = Annotated[str, Meta(max_length=METADATA_VALUE_LENGTH_MAX, pattern=TEXT_PATTERN)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], Meta(max_length=METADATA_KEYS_MAX)]
Version = Annotated[int, Meta(ge=1, le=AMOUNT_MAX)]
ExpectedVersions = Annotated[dict[Id, Version], Meta(max_length=2)]

FreshId = Callable[[str], str]
"""Makes an id with the prefix, for what the client did not name."""


class OpenAccountBody(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The body of `POST /v1/accounts`."""

    currency: CurrencyCode
    id: Id | None = None
    kind: AccountKind = AccountKind.CUSTOMER
    overdraft_limit: Limit | None = None
    external_id: ExternalId | None = None
    metadata: Metadata | None = None

    def rule_errors(self) -> list[InputError]:
        """Names what no type can say: a currency that is not in use."""
        return currency_errors(self.currency)

    def command(self, fresh_id: FreshId) -> OpenAccount:
        """Gives the command that the body asks for."""
        return OpenAccount(
            account_id=AccountId(self.id or fresh_id("acc_")),
            currency=self.currency,
            kind=self.kind,
            overdraft_limit=self.overdraft_limit,
            external_id=self.external_id,
            metadata=self.metadata or {},
        )


class TransferBody(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The body of `POST /v1/transfers`."""

    source: Id = msgspec.field(name="from")
    destination: Id = msgspec.field(name="to")
    amount: Amount
    currency: CurrencyCode
    id: Id | None = None
    description: Description | None = None
    value_date: date | None = None
    metadata: Metadata | None = None
    expected_versions: ExpectedVersions | None = None

    def rule_errors(self) -> list[InputError]:
        """Names what no type can say: a currency not in use, a version of a stranger."""
        errors = currency_errors(self.currency)
        for account in self.expected_versions or ():
            if account not in (self.source, self.destination):
                errors.append(
                    InputError(
                        pointer=f"/expected_versions/{account}",
                        code="schema_violation",
                        detail=f"Account {account} takes no part in the transfer.",
                    )
                )
        return errors

    def command(self, fresh_id: FreshId) -> TransferFunds:
        """Gives the command that the body asks for."""
        return TransferFunds(
            transfer_id=TransferId(self.id or fresh_id("trf_")),
            source=AccountId(self.source),
            destination=AccountId(self.destination),
            amount=self.amount,
            currency=self.currency,
            description=self.description,
            value_date=self.value_date,
            metadata=self.metadata or {},
            expected_versions={
                AccountId(account): version
                for account, version in (self.expected_versions or {}).items()
            },
        )


Body = OpenAccountBody | TransferBody


def currency_errors(code: str) -> list[InputError]:
    """Refuses a well-formed code that ISO 4217 does not have in use (XXX among them)."""
    if code in EXPONENTS:
        return []
    return [
        InputError(
            pointer="/currency",
            code="currency_invalid",
            detail=f"{code} is not a currency in use.",
        )
    ]
