"""What is wrong with the fields of a body, each with the code that a client can rely on.

The bounds themselves stand in the shapes (`bodies.py`). Here each field is held against its own
type, alone, so that one answer names every fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

import msgspec

from chronos.domain.money import AMOUNT_MAX
from chronos.wire.bodies import METADATA_KEYS_MAX, currency_errors
from chronos.wire.problems import InputError

_OTHER: Final = "schema_violation"
_NAME_LENGTH_MAX: Final = 64
_ERRORS_MAX: Final = 32
_CODES: Final = {
    "id": "id_invalid",
    "from": "id_invalid",
    "to": "id_invalid",
    "external_id": "id_invalid",
    "currency": "currency_invalid",
    "description": "description_invalid",
    "metadata": "metadata_invalid",
    "value_date": "date_invalid",
    "overdraft_limit": "amount_invalid",
    "amount": "amount_invalid",
}
_ID_DETAIL: Final = (
    "An id is 1 to 64 characters of A-Z a-z 0-9 _ . : - and begins with a letter or digit."
)
_DETAILS: Final = {
    "id": _ID_DETAIL,
    "from": _ID_DETAIL,
    "to": _ID_DETAIL,
    "external_id": "An external id is 1 to 128 printable characters.",
    "currency": "A currency is three capital letters of ISO 4217, such as EUR.",
    "description": "A description is at most 140 printable characters on one line.",
    "metadata": f"Metadata is at most {METADATA_KEYS_MAX} texts of at most 500 printable "
    "characters, each under a key shaped like an id.",
    "value_date": "A value date is a day of the calendar, written like 2026-01-31.",
    "overdraft_limit": f"An overdraft limit is a whole number from 0 to {AMOUNT_MAX}.",
    "expected_versions": "Expected versions name the transfer's accounts, each with a whole "
    "number of at least 1.",
}


def shape_errors(value: dict[str, Any], shape: type[msgspec.Struct]) -> list[InputError]:
    """Names every field of a JSON object that does not fit the shape, in the shape's order."""
    fields = _fields(shape)
    errors = [
        _error(name, _OTHER, "The field is missing.")
        for name, field in fields.items()
        if field.required and name not in value
    ]
    for name, field in fields.items():
        if name in value:
            errors.extend(_field_errors(name, value[name], field.type))
    errors.extend(
        _error(name, _OTHER, "The field is not known.") for name in value if name not in fields
    )
    return errors[:_ERRORS_MAX]


def in_short(errors: Sequence[InputError]) -> tuple[str, str]:
    """Gives the code and the sentence of the whole; the code is theirs if they share one."""
    codes = {error.code for error in errors}
    code = errors[0].code if len(codes) == 1 else _OTHER
    more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
    return code, errors[0].detail + more


def texts_in(value: Any) -> list[str]:
    """Gives every text of a JSON value, names of members included."""
    texts: list[str] = []
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            texts.append(item)
        elif isinstance(item, dict):
            texts.extend(item)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return texts


class _Field(msgspec.Struct, frozen=True, kw_only=True):
    required: bool
    type: Any


@cache
def _fields(shape: type[msgspec.Struct]) -> dict[str, _Field]:
    return {
        field.encode_name: _Field(required=field.required, type=field.type)
        for field in msgspec.structs.fields(shape)
    }


def _field_errors(name: str, value: Any, kind: Any) -> Iterator[InputError]:
    if name == "amount":
        yield from _amount_errors(value)
        return
    try:
        msgspec.convert(value, kind)
    except (msgspec.ValidationError, TypeError):
        code = _CODES.get(name, _OTHER)
        if name == "overdraft_limit" and _is_whole(value) and value > AMOUNT_MAX:
            code = "amount_too_large"
        yield _error(name, code, _DETAILS.get(name, "The value does not fit this field."))
        return
    if name == "currency":
        yield from currency_errors(value)


def _amount_errors(value: Any) -> Iterator[InputError]:
    if not _is_whole(value):
        yield _error("amount", "amount_invalid", "An amount is a whole number of minor units.")
    elif value <= 0:
        yield _error("amount", "amount_not_positive", "An amount is at least 1.")
    elif value > AMOUNT_MAX:
        yield _error("amount", "amount_too_large", f"An amount is at most {AMOUNT_MAX}.")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _error(name: str, code: str, detail: str) -> InputError:
    return InputError(pointer=_pointer(name), code=code, detail=detail)


def _pointer(name: str) -> str:
    # Source: RFC 6901, section 3. An unknown name is the client's: it is cut, not echoed whole.
    return "/" + name[:_NAME_LENGTH_MAX].replace("~", "~0").replace("/", "~1")
