"""Query parameters: each route names those it takes; all others are refused.

A parameter knows how it is read, what it refuses, and how the OpenAPI document describes it. A
value is asked for by its parameter, `exchange.query[LIMIT]`, and has that parameter's type.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Generic, Protocol, TypeVar
from urllib.parse import parse_qsl

from chronos.api.problems import HttpProblem
from chronos.domain.money import AMOUNT_MAX
from chronos.wire.cursors import CURSOR_CHARACTERS_MAX
from chronos.wire.moments import parse_day, parse_instant

PARAMETERS_MAX: Final = 16
_NAME_SHOWN_MAX: Final = 64

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)
_Absent = TypeVar("_Absent", bound=int | None)


class Parameter(Protocol[_T_co]):
    """One query parameter."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def text(self) -> str:
        """One sentence about it, for the document."""
        ...

    def read(self, text: str | None) -> _T_co:
        """Gives the value; `text` is None when the parameter was left out.

        Raises:
            HttpProblem: It cannot be used.
        """
        ...

    def schema(self) -> dict[str, Any]:
        """Describes the value as JSON Schema."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Generic[_Absent]):
    """A whole number in bounds."""

    name: str
    text: str
    low: int
    high: int
    default: _Absent

    def read(self, text: str | None) -> int | _Absent:
        """Gives the number, or the default."""
        if text is None:
            return self.default
        if text.isascii() and text.isdigit() and len(text) <= 16:
            value = int(text)
            if self.low <= value <= self.high:
                return value
        raise _takes(self.name, f"a whole number from {self.low} to {self.high}")

    def schema(self) -> dict[str, Any]:
        """Describes the number."""
        schema = {"type": "integer", "minimum": self.low, "maximum": self.high}
        return schema if self.default is None else schema | {"default": self.default}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """`true` or `false`; false when left out."""

    name: str
    text: str

    def read(self, text: str | None) -> bool:
        """Gives the flag."""
        if text not in (None, "true", "false"):
            raise _takes(self.name, "true or false")
        return text == "true"

    def schema(self) -> dict[str, Any]:
        """Describes the flag."""
        return {"type": "boolean", "default": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One word of a few, or None."""

    name: str
    text: str
    words: tuple[str, ...]

    def read(self, text: str | None) -> str | None:
        """Gives the word."""
        if text is not None and text not in self.words:
            raise _takes(self.name, f"one of {', '.join(self.words)}")
        return text

    def schema(self) -> dict[str, Any]:
        """Names the words."""
        return {"type": "string", "enum": list(self.words)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Some characters in visible ASCII, or None."""

    name: str
    text: str
    length_max: int

    def read(self, text: str | None) -> str | None:
        """Gives the text."""
        if text is None:
            return None
        if not 0 < len(text) <= self.length_max or not all("!" <= one <= "~" for one in text):
            raise _takes(self.name, f"1 to {self.length_max} visible ASCII characters")
        return text

    def schema(self) -> dict[str, Any]:
        """Describes the text."""
        return {"type": "string", "pattern": f"^[!-~]{{1,{self.length_max}}}$"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """A date-time with its offset (RFC 3339), or None."""

    name: str
    text: str
    rounds_up: bool
    """Where digits beyond the microsecond go."""

    def read(self, text: str | None) -> datetime | None:
        """Gives the instant as UTC."""
        if text is None:
            return None
        try:
            return parse_instant(text, rounds_up=self.rounds_up)
        except ValueError as error:
            raise _takes(self.name, _INSTANT_WORDS) from error

    def schema(self) -> dict[str, Any]:
        """Describes the date-time."""
        return {"type": "string", "format": "date-time"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A day of the calendar, or None."""

    name: str
    text: str

    def read(self, text: str | None) -> date | None:
        """Gives the day."""
        if text is None:
            return None
        try:
            return parse_day(text)
        except ValueError as error:
            raise _takes(self.name, _DAY_WORDS) from error

    def schema(self) -> dict[str, Any]:
        """Describes the day."""
        return {"type": "string", "format": "date"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Where a time begins or ends: a banking day or an instant, or None.

    An instant's digits beyond the microsecond are rounded up: the journal counts in
    microseconds, and nothing between two of them is left out or let in by that.
    """

    name: str
    text: str

    def read(self, text: str | None) -> date | datetime | None:
        """Gives the day, or the instant as UTC."""
        if text is None:
            return None
        try:
            if len(text) == _DAY_LENGTH:
                return parse_day(text)
            return parse_instant(text, rounds_up=True)
        except ValueError as error:
            raise _takes(self.name, f"{_DAY_WORDS}, or {_INSTANT_WORDS}") from error

    def schema(self) -> dict[str, Any]:
        """Describes both ways to write it."""
        return {"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]}


_DAY_LENGTH: Final = len("2031-05-06")
_DAY_WORDS: Final = "a day such as 2031-05-06"
_INSTANT_WORDS: Final = "a date-time with its offset such as 2031-05-06T07:08:09Z"

LIMIT = Number(
    name="limit",
    text="Most items on a page; when they are heavy it has fewer, and has_more is true.",
    low=1,
    high=200,
    default=50,
)
AFTER = Number(
    name="after",
    text="Only items after this version.",
    low=0,
    high=AMOUNT_MAX,
    default=0,
)
DRY_RUN = Flag(
    name="dry_run",
    text="Decide and answer as if the command were executed, but write nothing.",
)
AT = Instant(
    name="at",
    text="As recorded by this moment; digits beyond the microsecond are left out.",
    rounds_up=False,
)
VALUE_DATE = Day(name="value_date", text="For this banking day: without what is valued later.")
SINCE = Bound(
    name="from",
    text="First banking day or first instant; from the account's opening when left out.",
)
UNTIL = Bound(
    name="to",
    text="Last banking day, or the first instant after the last; until now when left out.",
)
FORMAT = Choice(
    name="format",
    text="Form of the answer; when left out, the Accept header decides.",
    words=("json", "csv"),
)
LINES = Number(
    name="limit",
    text=(
        "Answer one page of so many lines instead of all; only as JSON. A page may have fewer "
        "lines and still more behind it: has_more tells."
    ),
    low=1,
    high=1000,
    default=None,
)
CURSOR = Text(
    name="cursor",
    text="The `next` of the page before; only together with the same other parameters.",
    length_max=CURSOR_CHARACTERS_MAX,
)


class Query:
    """The values of a request's parameters, each asked for by its parameter."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]):
        self._values = values

    def __getitem__(self, parameter: Parameter[_T]) -> _T:
        value: _T = self._values[parameter.name]
        return value


NO_QUERY: Final = Query({})


def parse_query(text: str, parameters: Iterable[Parameter[object]]) -> Query:
    """Reads a query string; every parameter of the route has a value afterwards.

    Raises:
        HttpProblem: A parameter is unknown, given twice, or cannot be used.
    """
    known = {parameter.name: parameter for parameter in parameters}
    given = _given(text) if text else {}
    for name in given:
        if name not in known:
            raise invalid_parameter(f"Parameter {name[:_NAME_SHOWN_MAX]!r} is not known here.")
    return Query({name: known[name].read(given.get(name)) for name in known})


def invalid_parameter(detail: str) -> HttpProblem:
    """Makes the refusal of a query parameter.

    Args:
        detail: One sentence that names the parameter and what it takes.
    """
    return HttpProblem("invalid_parameter", detail)


def _given(text: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            text,
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=PARAMETERS_MAX,
        )
    except ValueError as error:
        raise invalid_parameter("The query string is not readable.") from error
    given = dict(pairs)
    if len(given) != len(pairs):
        raise invalid_parameter("A parameter was given twice.")
    return given


def _takes(name: str, what: str) -> HttpProblem:
    return invalid_parameter(f"Parameter {name} takes {what}.")
