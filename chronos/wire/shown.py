"""The members of answers: each kind of value as both sides of HTTP show it, once."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from chronos.domain.account import AccountStatus
from chronos.domain.money import AMOUNT_MAX
from chronos.wire.terms import ID_PATTERN

Name = Annotated[str, Meta(pattern=ID_PATTERN)]
"""The id of an account, transfer or hold."""
Money = Annotated[
    int, Meta(ge=-AMOUNT_MAX, le=AMOUNT_MAX, description="Minor units; a credit is positive.")
]
Amount = Annotated[int, Meta(ge=1, le=AMOUNT_MAX, description="Minor units.")]
Held = Annotated[int, Meta(ge=0, le=AMOUNT_MAX, description="Minor units; the open holds.")]
Limit = Annotated[
    int,
    Meta(ge=0, le=AMOUNT_MAX, description="Minor units below zero; null is without bound."),
]
Version = Annotated[int, Meta(ge=1, description="Counts the account's events.")]
Position = Annotated[
    int, Meta(ge=0, description="Place in the journal; 0 in the outcome of a dry run.")
]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z", description="ISO 4217.")]
Moment = Annotated[
    str, Meta(description="UTC, to the microsecond.", extra_json_schema={"format": "date-time"})
]
Status = Annotated[
    str, Meta(extra_json_schema={"enum": [status.label for status in AccountStatus]})
]
MoneyEvent = Annotated[
    str, Meta(extra_json_schema={"enum": ["MoneyWithdrawn", "MoneyDeposited"]})
]
Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z", description="SHA-256, hexadecimal.")]
