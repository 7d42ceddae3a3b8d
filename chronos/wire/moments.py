"""Moments as a caller writes them: instants (RFC 3339) and days, and where a day begins.

Source: RFC 3339, section 5.6. What it allows and this refuses is a leap second: the calendar of
Python has none.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
LATEST: Final = datetime.max.replace(tzinfo=UTC)

_DAY = r"(\d{4}-\d{2}-\d{2})"
_DAY_ALONE = re.compile(_DAY, re.ASCII)
# In a query string, a plus sign that nobody escaped has become a space.
_INSTANT = re.compile(
    _DAY + r"[Tt](\d{2}:\d{2}:\d{2})(?:\.(\d{1,24}))?(?:[Zz]|([+\- ])(\d{2}):(\d{2}))",
    re.ASCII,
)
_MICROSECOND = timedelta(microseconds=1)
_MICROSECOND_DIGITS: Final = 6


def parse_instant(text: str, *, rounds_up: bool) -> datetime:
    """Reads a date-time with its offset, as UTC.

    Args:
        text: As in 2031-05-06T07:08:09.123456Z; `t` and `z` may be small.
        rounds_up: Where digits beyond the microsecond go: to the next one, or away. The journal
            counts in microseconds, so the last moment of a time must round down, its first
            moment, or the first after it, up.

    Raises:
        ValueError: It is no such date-time, or outside the calendar.
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a date-time with an offset")
    day, clock, fraction, sign, hours, minutes = match.groups()
    local = datetime.fromisoformat(f"{day}T{clock}+00:00")
    digits = fraction or ""
    known, beyond = digits[:_MICROSECOND_DIGITS], digits[_MICROSECOND_DIGITS:]
    offset = timedelta()
    if sign is not None:
        if int(hours) > 23 or int(minutes) > 59:
            raise ValueError(f"{text!r} has an offset of more than a day")
        offset = timedelta(hours=int(hours), minutes=int(minutes))
    try:
        instant = local + offset if sign == "-" else local - offset
        instant += timedelta(microseconds=int(known.ljust(_MICROSECOND_DIGITS, "0")))
        return instant + _MICROSECOND if rounds_up and beyond.strip("0") else instant
    except OverflowError as error:
        raise ValueError(f"{text!r} is outside the calendar") from error


def parse_day(text: str) -> date:
    """Reads a day such as 2031-05-06.

    Raises:
        ValueError: It is no day of the calendar.
    """
    if _DAY_ALONE.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a day")
    return date.fromisoformat(text)


def start_of(day: date, zone: tzinfo) -> datetime:
    """Gives the instant at which a day begins in a zone.

    Where the clock is put forward at midnight this is the moment of the jump; where it is put
    back over midnight, the first of the two. The first day of the calendar may lie before the
    first instant; then it begins with that.
    """
    try:
        return datetime.combine(day, time(), zone).astimezone(UTC)
    except OverflowError:
        return EARLIEST


def end_of(day: date, zone: tzinfo) -> datetime:
    """Gives the instant at which a day is over in a zone: the beginning of the next."""
    return LATEST if day == date.max else start_of(day + timedelta(days=1), zone)
