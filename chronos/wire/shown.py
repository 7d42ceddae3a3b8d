"""The members of answers: each kind of value as both sides of HTTP show it, once."""

from __future__ import annotations

from typing import Annotated

from chronos.domain.account import AccountStatus
from chronos.wire.members import BALANCE, CURRENCY, FROM_ZERO, ID, MOMENT, POSITIVE, says

Name = Annotated[str, says("Id of an account, transfer or hold.", **ID)]
Money = Annotated[int, says("Minor units; a credit is positive.", **BALANCE)]
Amount = Annotated[int, says("Minor units.", **POSITIVE)]
Held = Annotated[int, says("Sum of the open holds, minor units.", **FROM_ZERO)]
Limit = Annotated[
    int,
    says("How far below zero it may go, minor units; null is without bound.", **FROM_ZERO),
]
Version = Annotated[int, says("Counts the account's events.", minimum=1)]
Position = Annotated[
    int, says("Place in the journal; 0 in the outcome of a dry run.", minimum=0)
]
Currency = Annotated[str, says("ISO 4217.", **CURRENCY)]
Moment = Annotated[str, says("UTC, to the microsecond.", **MOMENT)]
Status = Annotated[
    str, says("What it may do.", enum=[status.label for status in AccountStatus])
]
MoneyEvent = Annotated[
    str, says("A debit or a credit.", enum=["MoneyWithdrawn", "MoneyDeposited"])
]
Hash = Annotated[str, says("SHA-256, hexadecimal.", pattern="^[0-9a-f]{64}$")]
