"""Query parameters, read strictly: unknown, repeated and malformed ones are refused by name."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime

from aiohttp import web

from chronos.domain.ids import is_valid_id
from web.respond import Refusal

TEXT_MAX = 200
WHOLE_DIGITS_MAX = 16


class Parameters:
    """The query string of one request.

    Args:
        request: The request.
        known: Names that the view understands.
        groups: Names that may be written with a key, as `metadata[k]`.

    Raises:
        Refusal: `invalid_parameter`: a name is unknown or stands twice.
    """

    def __init__(
        self, request: web.Request, known: Collection[str], groups: Collection[str] = ()
    ):
        self._values: dict[str, str] = {}
        self._groups: dict[str, dict[str, str]] = {name: {} for name in groups}
        if not request.rel_url.raw_query_string:
            return
        for name, value in request.query.items():
            group, _, key = name.partition("[")
            if group in self._groups and key.endswith("]") and len(key) > 1:
                place, key = self._groups[group], key[:-1]
            elif name in known:
                place, key = self._values, name
            else:
                raise invalid(name[:64], "is not a parameter of this path")
            if key in place:
                raise invalid(name[:64], "stands twice")
            if "\x00" in value or len(value) > TEXT_MAX * 5:
                raise invalid(name[:64], "is too long or holds a NUL")
            place[key] = value

    def whole(self, name: str, *, low: int, high: int) -> int | None:
        """Reads a whole number in ASCII digits from `low` to `high`, or None when absent."""
        text = self._values.get(name)
        if text is None:
            return None
        if text.isascii() and text.isdigit() and len(text) <= WHOLE_DIGITS_MAX:
            value = int(text)
            if low <= value <= high:
                return value
        raise invalid(name, f"takes a whole number from {low} to {high}")

    def text(self, name: str, *, length_max: int = TEXT_MAX) -> str | None:
        """Reads text of 1 to `length_max` characters, or None when absent."""
        value = self._values.get(name)
        if value is not None and not 0 < len(value) <= length_max:
            raise invalid(name, f"takes 1 to {length_max} characters")
        return value

    def id(self, name: str) -> str | None:
        """Reads an identifier, or None when absent."""
        value = self._values.get(name)
        if value is not None and not is_valid_id(value):
            raise invalid(name, "is not an identifier")
        return value

    def one_of(self, name: str, allowed: Collection[str]) -> str | None:
        """Reads one of the words `allowed`, or None when absent."""
        value = self._values.get(name)
        if value is not None and value not in allowed:
            raise invalid(name, f"takes one of {', '.join(sorted(allowed))}")
        return value

    def instant(self, name: str) -> datetime | None:
        """Reads a date-time with its offset (RFC 3339) as UTC, or None when absent."""
        text = self._values.get(name)
        if text is None:
            return None
        try:
            # An unencoded plus sign of an offset arrives as a space.
            value = datetime.fromisoformat(text.replace(" ", "+"))
        except ValueError:
            value = None
        if value is None or value.tzinfo is None or "T" not in text or not text.isascii():
            raise invalid(name, "takes a date-time such as 2031-05-06T07:08:09Z")
        try:
            return value.astimezone(UTC)
        except OverflowError as error:
            raise invalid(name, "is outside the calendar") from error

    def day(self, name: str) -> date | None:
        """Reads a calendar day (YYYY-MM-DD), or None when absent."""
        text = self._values.get(name)
        if text is None:
            return None
        try:
            if len(text) == len("2031-05-06"):
                return date.fromisoformat(text)
        except ValueError:
            pass
        raise invalid(name, "takes a day such as 2031-05-06")

    def group(self, name: str) -> dict[str, str]:
        """Gives the values written with a key, as `metadata[colour]=red`."""
        return self._groups[name]


def invalid(name: str, why: str) -> Refusal:
    """Makes the refusal `invalid_parameter` of one query parameter."""
    return Refusal("invalid_parameter", f"`{name}` {why}.", parameter=name)
