"""The terms of requests: each kind of field with its bounds, once, for both doors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta

from chronos.domain.currency import EXPONENTS
from chronos.domain.ids import AccountId
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
POSTINGS_MAX = 100
"""Most postings of one journal entry."""

Id = Annotated[str, Meta(pattern=ID_PATTERN, description="Chosen by the client, or generated.")]
Amount = Annotated[int, Meta(ge=1, le=AMOUNT_MAX, description="Minor units.")]
Limit = Annotated[int, Meta(ge=0, le=AMOUNT_MAX, description="Minor units below zero.")]
CurrencyCode = Annotated[
    str,
    Meta(pattern=r"^[A-Z]{3}\Z", description="ISO 4217; /v1/currencies lists those in use."),
]
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
ExpectedVersions = Annotated[
    dict[Id, Version],
    Meta(max_length=POSTINGS_MAX, description="The version that each of these must have."),
]
Signed = Annotated[
    int,
    Meta(
        ge=-AMOUNT_MAX,
        le=AMOUNT_MAX,
        description="Minor units, not zero; a credit is positive.",
        extra_json_schema={"not": {"const": 0}},
    ),
]
Instant = Annotated[datetime, Meta(tz=True, description="RFC 3339.")]
Key = Annotated[
    str, Meta(pattern=r"^[!-~]{1,255}\Z", description="Names the attempt at this command.")
]

FreshId = Callable[[str], str]
"""Makes an id with the prefix, for what the client did not name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a body does not say itself of the command that it asks for."""

    fresh_id: FreshId
    subject: str = ""
    """The id in the request's path, for a command about something that is there."""
    expected_version: int | None = None
    """The version that the account in the path must have."""


def currency_errors(code: str, pointer: str = "/currency") -> list[InputError]:
    """Refuses a well-formed code that ISO 4217 does not have in use (XXX among them)."""
    if code in EXPONENTS:
        return []
    return [
        InputError(
            pointer=pointer,
            code="currency_invalid",
            detail=f"{code} is not a currency in use.",
        )
    ]


def stranger_errors(
    versions: Mapping[str, int] | None, accounts: Iterable[str]
) -> list[InputError]:
    """Refuses expected versions of accounts that take no part in the command."""
    if not versions:
        return []
    known = set(accounts)
    return [
        InputError(
            pointer=f"/expected_versions/{account}",
            code="schema_violation",
            detail=f"Account {account} takes no part in the command.",
        )
        for account in versions
        if account not in known
    ]


def instant_errors(instant: datetime | None, pointer: str) -> list[InputError]:
    """Refuses an instant that is no year of the calendar in UTC."""
    try:
        in_utc(instant)
    except OverflowError:
        detail = "The instant lies beyond the calendar's years 1 to 9999 in UTC."
        return [InputError(pointer=pointer, code="date_invalid", detail=detail)]
    return []


def in_utc(instant: datetime | None) -> datetime | None:
    """Gives an instant in UTC.

    Raises:
        OverflowError: It is no year of the calendar there.
    """
    return None if instant is None else instant.astimezone(UTC)


def by_account(versions: Mapping[str, int] | None) -> Mapping[AccountId, int]:
    """Gives expected versions by account."""
    return {AccountId(account): version for account, version in (versions or {}).items()}
