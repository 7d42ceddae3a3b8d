"""Query parameters, read strictly: unknown, repeated and malformed ones are refused by name."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime

from aiohttp import web

from chronos.domain.ids import is_valid_id
from chronos.wire.moments import parse_day, parse_instant
from web.respond import Refusal

TEXT_MAX = 200
VALUE_MAX = 1000
WHOLE_DIGITS_MAX = 16


class Parameters:
    """The query string of one request.

    Args:
        request: The request.
        known: Names that the view understands.
        groups: Names that may be written with a key, as `metadata[k]`.
        characters_max: Longest value of any of them.

    Raises:
        Refusal: `invalid_parameter`: a name is unknown or stands twice.
    """

    def __init__(
        self,
        request: web.Request,
        known: Collection[str],
        groups: Collection[str] = (),
        *,
        characters_max: int = VALUE_MAX,
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
            if "\x00" in value or len(value) > characters_max:
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
            # A moment is between two microseconds of the journal: from the next one on, both
            # what begins there and what ends before it.
            return parse_instant(text, rounds_up=True)
        except ValueError as error:
            raise invalid(name, "takes a date-time such as 2031-05-06T07:08:09Z") from error

    def day(self, name: str) -> date | None:
        """Reads a calendar day (YYYY-MM-DD), or None when absent."""
        text = self._values.get(name)
        if text is None:
            return None
        try:
            return parse_day(text)
        except ValueError as error:
            raise invalid(name, "takes a day such as 2031-05-06") from error

    def group(self, name: str) -> dict[str, str]:
        """Gives the values written with a key, as `metadata[colour]=red`."""
        return self._groups[name]

    def given(self, *, but: Collection[str]) -> dict[str, str]:
        """Gives every parameter as it was written, but those of these names."""
        keyed = {
            f"{name}[{key}]": value
            for name, values in self._groups.items()
            for key, value in values.items()
        }
        plain = {name: value for name, value in self._values.items() if name not in but}
        return plain | keyed


def invalid(name: str, why: str) -> Refusal:
    """Makes the refusal `invalid_parameter` of one query parameter."""
    return Refusal("invalid_parameter", f"`{name}` {why}.", parameter=name)
