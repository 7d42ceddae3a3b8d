"""What is wrong with the fields of a body, each with the code that a client can rely on.

The bounds themselves stand in the terms and shapes (`terms.py`, `bodies.py`, `batch.py`). Here
each field is held against its own type, alone, so that one answer names every fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Final

import msgspec

from chronos.domain.money import AMOUNT_MAX
from chronos.wire.batch import COMMANDS_MAX, ITEM_SHAPES
from chronos.wire.bodies import PostingBody
from chronos.wire.problems import InputError
from chronos.wire.terms import METADATA_KEYS_MAX, POSTINGS_MAX, currency_errors

_OTHER: Final = "schema_violation"
_NAME_LENGTH_MAX: Final = 64
_ERRORS_MAX: Final = 32
POSTINGS_MIN: Final = 2
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
    "sell_amount": "amount_invalid",
    "buy_amount": "amount_invalid",
    "sell_currency": "currency_invalid",
    "buy_currency": "currency_invalid",
    "account": "id_invalid",
    "transfer_id": "id_invalid",
    "sell_position": "id_invalid",
    "buy_position": "id_invalid",
    "expires_at": "date_invalid",
    "opened_on": "date_invalid",
}
_AMOUNTS: Final = frozenset({"amount", "sell_amount", "buy_amount"})
ID_DETAIL: Final = (
    "An id is 1 to 64 characters of A-Z a-z 0-9 _ . : - and begins with a letter or digit."
)
_DETAILS: Final = {
    "id": ID_DETAIL,
    "from": ID_DETAIL,
    "to": ID_DETAIL,
    "external_id": "An external id is 1 to 128 printable characters.",
    "currency": "A currency is three capital letters of ISO 4217, such as EUR.",
    "description": "A description is at most 140 printable characters on one line.",
    "metadata": f"Metadata is at most {METADATA_KEYS_MAX} texts of at most 500 printable "
    "characters, each under a key shaped like an id.",
    "account": ID_DETAIL,
    "transfer_id": ID_DETAIL,
    "sell_position": ID_DETAIL,
    "buy_position": ID_DETAIL,
    "value_date": "A value date is a day of the calendar, written like 2026-01-31.",
    "opened_on": "An account opens on a day of the calendar, written like 2026-01-31.",
    "expires_at": "A hold expires at an instant, written like 2026-01-31T12:00:00Z.",
    "scope": "An account is frozen for debits or for all.",
    "overdraft_limit": f"An overdraft limit is a whole number from 0 to {AMOUNT_MAX}.",
    "expected_versions": "Expected versions name the command's accounts, each with a whole "
    "number of at least 1.",
    "idempotency_key": "A key is 1 to 255 visible ASCII characters.",
    "atomic": "A batch is atomic or not: true or false.",
}


def shape_errors(
    value: dict[str, Any], shape: type[msgspec.Struct], looked_at: tuple[str, ...] = ()
) -> list[InputError]:
    """Names every field of a JSON object that does not fit the shape, in the shape's order.

    Args:
        value: The object.
        shape: What it should be.
        looked_at: Members that somebody else judges.
    """
    fields = {name: one for name, one in _fields(shape).items() if name not in looked_at}
    errors = [
        _error(name, _OTHER, "The field is missing.")
        for name, field in fields.items()
        if field.required and name not in value
    ]
    for name, field in fields.items():
        if name in value:
            errors.extend(_field_errors(name, value[name], field.type))
    errors.extend(
        _error(name, _OTHER, "The field is not known.")
        for name in value
        if name not in fields and name not in looked_at
    )
    return errors[:_ERRORS_MAX]


def in_short(errors: Sequence[InputError]) -> tuple[str, str]:
    """Gives the code and the sentence of the whole; the code is theirs if they share one."""
    codes = {error.code for error in errors}
    code = errors[0].code if len(codes) == 1 and _is_of_one(errors) else _OTHER
    more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
    return code, errors[0].detail + more


def _is_of_one(errors: Sequence[InputError]) -> bool:
    """Tells a command's own errors from those of a batch's items."""
    return not any(error.pointer.startswith("/commands/") for error in errors)


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
    if name in _AMOUNTS:
        if not (value is None and _takes_null(kind)):
            yield from _amount_errors(name, value)
        return
    if name == "postings":
        yield from _postings_errors(value)
        return
    if name == "commands":
        yield from _commands_errors(value)
        return
    try:
        msgspec.convert(value, kind)
    except (msgspec.ValidationError, TypeError):
        code = _CODES.get(name, _OTHER)
        if name == "overdraft_limit" and _is_whole(value) and value > AMOUNT_MAX:
            code = "amount_too_large"
        yield _error(name, code, _DETAILS.get(name, "The value does not fit this field."))
        return
    if name.endswith("currency") and value is not None:
        yield from currency_errors(value, "/" + name)


def _takes_null(kind: Any) -> bool:
    try:
        msgspec.convert(None, kind)
    except msgspec.ValidationError:
        return False
    return True


def _amount_errors(name: str, value: Any) -> Iterator[InputError]:
    if not _is_whole(value):
        yield _error(name, "amount_invalid", "An amount is a whole number of minor units.")
    elif value <= 0:
        yield _error(name, "amount_not_positive", "An amount is at least 1.")
    elif value > AMOUNT_MAX:
        yield _error(name, "amount_too_large", f"An amount is at most {AMOUNT_MAX}.")


def _postings_errors(value: Any) -> Iterator[InputError]:
    if not isinstance(value, list) or len(value) < POSTINGS_MIN:
        yield _error("postings", _OTHER, "An entry has a list of at least two postings.")
    elif len(value) > POSTINGS_MAX:
        detail = f"An entry has at most {POSTINGS_MAX} postings, not {len(value)}."
        yield _error("postings", "too_many_postings", detail)
    else:
        for number, posting in enumerate(value):
            errors = _posting_errors(posting)
            yield from (_below(f"/postings/{number}", error) for error in errors)


def _posting_errors(value: Any) -> Iterator[InputError]:
    if not isinstance(value, dict):
        yield _whole("A posting is an object with account and amount.")
        return
    yield from shape_errors(value, PostingBody, ("amount",))
    amount = value.get("amount")
    if "amount" not in value:
        yield _error("amount", _OTHER, "The field is missing.")
    elif not isinstance(amount, int) or isinstance(amount, bool) or amount == 0:
        detail = "A posting moves a whole number of minor units other than zero."
        yield _error("amount", "amount_invalid", detail)
    elif abs(amount) > AMOUNT_MAX:
        detail = f"A posting moves at most {AMOUNT_MAX} minor units."
        yield _error("amount", "amount_too_large", detail)


def _commands_errors(value: Any) -> Iterator[InputError]:
    if not isinstance(value, list) or not value:
        yield _error("commands", _OTHER, "A batch has a list of at least one command.")
    elif len(value) > COMMANDS_MAX:
        detail = f"A batch has at most {COMMANDS_MAX} commands, not {len(value)}."
        yield _error("commands", "batch_too_large", detail)
    else:
        for number, item in enumerate(value):
            errors = _command_errors(item)
            yield from (_below(f"/commands/{number}", error) for error in errors)


def _command_errors(value: Any) -> Iterable[InputError]:
    shape = ITEM_SHAPES.get(value.get("type")) if _is_typed(value) else None
    if shape is None:
        names = ", ".join(sorted(ITEM_SHAPES))
        return [_whole(f"A command is an object whose type is one of {names}.")]
    return shape_errors(value, shape, ("type",))


def _is_typed(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("type"), str)


def _whole(detail: str) -> InputError:
    return InputError(pointer="", code=_OTHER, detail=detail)


def _below(place: str, error: InputError) -> InputError:
    return InputError(pointer=place + error.pointer, code=error.code, detail=error.detail)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _error(name: str, code: str, detail: str) -> InputError:
    return InputError(pointer=_pointer(name), code=code, detail=detail)


def _pointer(name: str) -> str:
    # Source: RFC 6901, section 3. An unknown name is the client's: it is cut, not echoed whole.
    return "/" + name[:_NAME_LENGTH_MAX].replace("~", "~0").replace("/", "~1")
