"""Currencies: those in use, with number, name and the digits of their minor unit."""

from __future__ import annotations

from chronos.api.answer import Answer, json_answer
from chronos.api.answers import Currencies, Currency
from chronos.api.exchange import Exchange, Services
from chronos.domain.iso4217 import CURRENCIES

_ANSWER = Currencies(
    data=tuple(
        Currency(code=row.code, number=row.number, exponent=row.exponent, name=row.name)
        for row in CURRENCIES.values()
    )
)


async def list_currencies(_services: Services, _exchange: Exchange) -> Answer:
    """Answers `GET /v1/currencies`."""
    return json_answer(_ANSWER)
