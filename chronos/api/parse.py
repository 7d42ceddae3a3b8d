"""Reading a JSON body strictly: what is doubtful is refused, never guessed.

Two ways lead to the same value. The quick one serves nearly every body: the bytes hold no
backslash, so every quote is a border of a string, and a few scans in C settle depth and keys.
The exact one, slower, serves all others: it also says precisely what is wrong, field by field.

The bounds, in the order in which they are checked: UTF-8 without a byte order mark, nesting of
at most 16, JSON as RFC 8259 has it, no key twice in an object, no lone surrogate, no NUL, then
the shape. What the standard library and msgspec let pass between them (duplicate keys, NaN,
huge numbers, lone surrogates, recursion without end) is caught here.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn, TypeVar

import msgspec

from chronos.api.problems import HttpProblem
from chronos.wire.bodies import Body
from chronos.wire.fields import in_short, shape_errors, texts_in
from chronos.wire.problems import InputError

DEPTH_MAX: Final = 16

_T = TypeVar("_T", bound=Body)

# Strings, also one that never ends: so that each byte is looked at once.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NO_BRACKET = re.compile(rb"[^\[\]{}]+")
_BOM = b"\xef\xbb\xbf"
_decode = msgspec.json.Decoder().decode
_NESTED: Final = (dict, list)
_IMPOSSIBLE: Final = 1 << 60


class _Duplicate(ValueError):
    """A key stood twice in one object."""


class _Fraction:
    """Stands for a number with a fraction or an exponent; no field takes one."""


def parse_body(body: bytes, shape: type[_T]) -> _T:
    """Reads a body as the given shape.

    Raises:
        HttpProblem: 400 when the body is not readable, 422 when it is but breaks a rule.
    """
    parsed = _parse_quickly(body, shape)
    if parsed is None:
        parsed = _parse_exactly(body, shape)
    errors = parsed.rule_errors()
    if errors:
        raise invalid_fields(errors)
    return parsed


def _parse_quickly(body: bytes, shape: type[_T]) -> _T | None:
    """Reads a plain body; None when it is not plain, or when anything is wrong with it."""
    if b"\\" in body:
        return None
    try:
        value = _decode(body)
        return msgspec.convert(value, shape) if _keys_are_single(body, value) else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _keys_are_single(body: bytes, value: Any) -> bool:
    """Tells that no object names a key twice, for valid JSON without a backslash.

    Every member has one colon outside of strings. If the objects that were made hold as many
    keys, none was lost. False also for what is too deep: the exact way then.
    """
    if type(value) is not dict:
        return False
    return b"".join(body.split(b'"')[::2]).count(b":") == _members(value, DEPTH_MAX)


def _members(value: Any, levels: int) -> int:
    """Counts the members of an object or list, and below; impossibly many if it is too deep."""
    if levels == 0:
        return _IMPOSSIBLE
    is_object = type(value) is dict
    count = len(value) if is_object else 0
    for member in value.values() if is_object else value:
        if type(member) in _NESTED:
            count += _members(member, levels - 1)
    return count


def _parse_exactly(body: bytes, shape: type[_T]) -> _T:
    text = _decoded(body)
    _check_depth(body)
    value = _loaded(text)
    _check_strings(value)
    if not isinstance(value, dict):
        raise HttpProblem("schema_violation", "The body is not a JSON object.")
    errors = shape_errors(value, shape)
    if errors:
        raise invalid_fields(errors)
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise HttpProblem("schema_violation", f"{error}.") from error


def invalid_fields(errors: list[InputError]) -> HttpProblem:
    """Makes the problem of wrong fields."""
    code, detail = in_short(errors)
    return HttpProblem(code, detail, errors=errors)


def _decoded(body: bytes) -> str:
    if body.startswith(_BOM):
        raise HttpProblem("invalid_encoding", "The body begins with a byte order mark.")
    if b"\x00" in body:
        raise HttpProblem(
            "invalid_encoding", "The body holds a zero byte; it must be UTF-8 (not UTF-16)."
        )
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise HttpProblem(
            "invalid_encoding", f"The body is not UTF-8 at byte {error.start}."
        ) from error


def _check_depth(body: bytes) -> None:
    depth = 0
    for byte in _NO_BRACKET.sub(b"", _STRING.sub(b"", body)):
        if byte in b"{[":
            depth += 1
            if depth > DEPTH_MAX:
                raise HttpProblem(
                    "too_deep", f"The body is nested more than {DEPTH_MAX} levels deep."
                )
        else:
            depth -= 1


def _loaded(text: str) -> Any:
    try:
        return json.loads(
            text,
            object_pairs_hook=_single_keys,
            parse_constant=_no_constant,
            parse_float=_fraction,
        )
    except _Duplicate as error:
        raise HttpProblem(
            "duplicate_json_key", "A JSON object of the body names a key twice."
        ) from error
    except json.JSONDecodeError as error:
        raise HttpProblem(
            "malformed_json", f"The body is not JSON: {error.msg} at character {error.pos}."
        ) from error
    except (ValueError, RecursionError) as error:
        # ValueError: NaN and its kin, or an integer of thousands of digits.
        raise HttpProblem(
            "malformed_json", "The body has a number that is not JSON."
        ) from error


def _single_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Duplicate
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _fraction(_digits: str) -> _Fraction:
    return _Fraction()


def _check_strings(value: Any) -> None:
    """Refuses lone surrogates before NUL: unreadable comes before unusable."""
    texts = texts_in(value)
    for text in texts:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise HttpProblem(
                "invalid_encoding", "A text of the body holds half of a surrogate pair."
            ) from error
    if any("\x00" in text for text in texts):
        raise HttpProblem("invalid_characters", "A text of the body holds a NUL character.")
