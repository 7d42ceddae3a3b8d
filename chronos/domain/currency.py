"""Currencies in use, and how many decimal digits their minor unit has.

Source: ISO 4217, list one, without precious metals, bond units, test codes and fund codes.
"""

from __future__ import annotations

import re

_TWO_DIGITS = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD
    CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD
    GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL
    MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN
    PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP
    SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
"""
_BY_DIGITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    2: _TWO_DIGITS,
    3: "BHD IQD JOD KWD LYD OMR TND",
}

EXPONENTS: dict[str, int] = {
    code: digits for digits, codes in _BY_DIGITS.items() for code in codes.split()
}
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
