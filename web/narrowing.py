"""The parameters by which lists are narrowed, read alike for every list."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, tzinfo
from zoneinfo import ZoneInfo

from chronos.domain.money import AMOUNT_MAX
from chronos.mirror.narrowing import Narrowing
from chronos.wire.moments import end_of, start_of
from web.parameters import Parameters, invalid

EXTERNAL_ID_CHARACTERS_MAX = 255
METADATA_KEY_CHARACTERS_MAX = 64
METADATA_FILTERS_MAX = 16
_DAY_CHARACTERS = len("2031-05-06")


def read_narrowing(parameters: Parameters, zone: ZoneInfo) -> Narrowing:
    """Reads which postings are asked for.

    Args:
        parameters: The request's.
        zone: Where a day that is given as `from` or `to` begins and ends.

    Raises:
        Refusal: One cannot be used.
    """
    low = parameters.whole("min_amount", low=0, high=AMOUNT_MAX)
    high = parameters.whole("max_amount", low=0, high=AMOUNT_MAX)
    if low is not None and high is not None and low > high:
        raise invalid("min_amount", "is above max_amount")
    return Narrowing(
        recorded_from=_moment(parameters, "from", zone, start_of),
        # A day given as the end belongs to the answer.
        recorded_until=_moment(parameters, "to", zone, end_of),
        value_from=parameters.day("value_from"),
        value_to=parameters.day("value_to"),
        amount_min=low,
        amount_max=high,
        counterparty=parameters.id("counterparty"),
        external_id=read_external_id(parameters),
        metadata=read_metadata(parameters),
        text=parameters.text("q"),
    )


def read_external_id(parameters: Parameters) -> str | None:
    """Reads `external_id`.

    Raises:
        Refusal: It is empty or too long.
    """
    return parameters.text("external_id", length_max=EXTERNAL_ID_CHARACTERS_MAX)


def read_metadata(parameters: Parameters) -> dict[str, str]:
    """Reads the group `metadata[key]=value`.

    Raises:
        Refusal: There are too many, or a key is too long.
    """
    metadata = parameters.group("metadata")
    if len(metadata) > METADATA_FILTERS_MAX:
        raise invalid("metadata", f"takes at most {METADATA_FILTERS_MAX} keys")
    if any(len(key) > METADATA_KEY_CHARACTERS_MAX for key in metadata):
        raise invalid(
            "metadata", f"takes keys of 1 to {METADATA_KEY_CHARACTERS_MAX} characters"
        )
    return metadata


def read_currency(parameters: Parameters) -> str | None:
    """Reads `currency`.

    Raises:
        Refusal: It is not three capital letters.
    """
    currency = parameters.text("currency", length_max=3)
    if currency is None or (
        len(currency) == 3 and currency.isascii() and currency.isalpha() and currency.isupper()
    ):
        return currency
    raise invalid("currency", "takes an ISO 4217 code such as EUR")


def _moment(
    parameters: Parameters, name: str, zone: ZoneInfo, edge: Callable[[date, tzinfo], datetime]
) -> datetime | None:
    text = parameters.text(name)
    if text is None or len(text) != _DAY_CHARACTERS:
        return parameters.instant(name)
    day = parameters.day(name)
    return None if day is None else edge(day, zone)
