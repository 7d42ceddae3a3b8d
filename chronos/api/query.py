"""Query parameters: each route names those it takes; all others are refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from chronos.api.problems import HttpProblem
from chronos.domain.money import AMOUNT_MAX

PARAMETERS_MAX = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A whole number in bounds."""

    name: str
    text: str
    low: int
    high: int
    default: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """`true` or `false`; false when left out."""

    name: str
    text: str


Parameter = Number | Flag

LIMIT = Number(name="limit", text="Most items on a page.", low=1, high=200, default=50)
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


def parse_query(text: str, parameters: tuple[Parameter, ...]) -> Mapping[str, int]:
    """Reads a query string; gives a value for each parameter, a flag's as 0 or 1.

    Raises:
        HttpProblem: A parameter is unknown, given twice, or out of its bounds.
    """
    given = _given(text) if text else {}
    known = {parameter.name for parameter in parameters}
    for name in given:
        if name not in known:
            raise _invalid(f"Parameter {name[:64]!r} is not known here.")
    return {parameter.name: _value(parameter, given) for parameter in parameters}


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
        raise _invalid("The query string is not readable.") from error
    given = dict(pairs)
    if len(given) != len(pairs):
        raise _invalid("A parameter was given twice.")
    return given


def _value(parameter: Parameter, given: Mapping[str, str]) -> int:
    text = given.get(parameter.name)
    if isinstance(parameter, Flag):
        if text not in (None, "true", "false"):
            raise _invalid(f"Parameter {parameter.name} takes true or false.")
        return text == "true"
    if text is None:
        return parameter.default
    if text.isascii() and text.isdigit() and len(text) <= 16:
        value = int(text)
        if parameter.low <= value <= parameter.high:
            return value
    raise _invalid(
        f"Parameter {parameter.name} takes a whole number "
        f"from {parameter.low} to {parameter.high}."
    )


def _invalid(detail: str) -> HttpProblem:
    return HttpProblem("invalid_parameter", detail)
