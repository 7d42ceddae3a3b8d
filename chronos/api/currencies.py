"""Currencies: which codes are in use, and how many digits their minor unit has."""

from __future__ import annotations

from chronos.api.answer import Answer, json_answer
from chronos.api.answers import Currencies, Currency
from chronos.api.exchange import Exchange, Services
from chronos.domain.currency import EXPONENTS

_ANSWER = Currencies(
    data=tuple(Currency(code=code, exponent=EXPONENTS[code]) for code in sorted(EXPONENTS))
)


async def list_currencies(_services: Services, _exchange: Exchange) -> Answer:
    """Answers `GET /v1/currencies`."""
    return json_answer(_ANSWER)
