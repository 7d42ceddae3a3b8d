"""Amounts as people write them: decimals with the digits that a currency has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from chronos.domain.iso4217 import CURRENCIES

EXPONENTS: Final[Mapping[str, int]] = MappingProxyType(
    {code: currency.exponent for code, currency in CURRENCIES.items()}
)
"""Code -> number of decimal digits: 2 for EUR (1 EUR = 100 minor units), 0 for JPY."""

_DECIMAL = re.compile(r"([0-9]{1,16})(?:\.([0-9]{1,4}))?", re.ASCII)


def parse_amount(text: str, currency: str) -> int:
    """Reads a decimal such as "125.00" as minor units, exactly.

    Raises:
        ValueError: The currency is unknown, the text is no plain decimal, or it has more digits
            after the point than the currency has.
    """
    if currency not in EXPONENTS:
        raise ValueError(f"{currency} is not an ISO 4217 currency in use")
    exponent = EXPONENTS[currency]
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an amount; write it like 125.00")
    whole, fraction = match[1], match[2] or ""
    if len(fraction) > exponent:
        raise ValueError(f"{text} has more than the {exponent} decimals of {currency}")
    return int(whole + fraction.ljust(exponent, "0"))


def format_amount(amount: int, currency: str) -> str:
    """Writes minor units as a decimal with the currency's digits: -5 EUR-cents as "-0.05"."""
    exponent = EXPONENTS[currency]
    digits = str(abs(amount)).rjust(exponent + 1, "0")
    sign = "-" if amount < 0 else ""
    if exponent == 0:
        return sign + digits
    return f"{sign}{digits[:-exponent]}.{digits[-exponent:]}"
