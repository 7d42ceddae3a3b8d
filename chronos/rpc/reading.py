"""Reading a request message strictly: the same shapes, bounds and codes as over HTTP.

A field that a client left out and one with its type's zero are the same in protobuf, unless the
field is optional. A field that is not known is refused as it is over HTTP: a newer client must
not believe that it was heeded.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from chronos.domain.ids import is_valid_id
from chronos.domain.money import AMOUNT_MAX
from chronos.rpc.problems import RpcProblem
from chronos.wire.bodies import Body
from chronos.wire.fields import ID_DETAIL, in_short, shape_errors, texts_in
from chronos.wire.meaning import KEY_LENGTH_MAX, is_usable_key
from chronos.wire.problems import InputError

_OF_THE_CALL: Final = frozenset({"idempotency_key", "dry_run"})

_M = TypeVar("_M", bound=Message)
_B = TypeVar("_B", bound=Body)


def parse_message(raw: bytes, kind: type[_M]) -> _M:
    """Reads a message.

    Raises:
        RpcProblem: The bytes are not such a message, or have fields that it does not know.
    """
    try:
        message = kind.FromString(raw)
    except DecodeError as error:
        raise RpcProblem(
            "malformed_message", f"The bytes are not a {kind.DESCRIPTOR.full_name}."
        ) from error
    unknown = UnknownFieldSet(message)
    if len(unknown):
        raise RpcProblem(
            "schema_violation",
            f"{kind.DESCRIPTOR.full_name} has no field number {unknown[0].field_number}.",
        )
    return message


def read_body(message: Message, shape: type[_B]) -> _B:
    """Reads a command's message as the shape of its body.

    Raises:
        RpcProblem: It breaks a rule of the request.
    """
    value = _members(message)
    if any("\x00" in text for text in texts_in(value)):
        raise RpcProblem("invalid_characters", "A text of the message holds a NUL character.")
    errors = shape_errors(value, shape)
    if errors:
        raise invalid_fields(errors)
    try:
        body = msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise RpcProblem("schema_violation", f"{error}.") from error
    errors = body.rule_errors()
    if errors:
        raise invalid_fields(errors)
    return body


def read_key(key: str) -> str:
    """Gives a command's idempotency key.

    Raises:
        RpcProblem: It is missing, or not 1 to 255 visible ASCII characters.
    """
    if not key:
        raise RpcProblem(
            "idempotency_key_missing",
            "Send an idempotency_key: a name of your own for this attempt, the same for each "
            "retry of it.",
        )
    if not is_usable_key(key):
        raise RpcProblem(
            "idempotency_key_invalid",
            f"idempotency_key takes 1 to {KEY_LENGTH_MAX} visible ASCII characters, no spaces.",
        )
    return key


def read_account_id(account_id: str) -> str:
    """Gives the account that a read asks for.

    Raises:
        RpcProblem: No account can have this id.
    """
    if not is_valid_id(account_id):
        error = InputError(pointer="/account_id", code="id_invalid", detail=ID_DETAIL)
        raise invalid_fields([error])
    return account_id


def read_version(version: int) -> int:
    """Gives the version after which a stream begins.

    Raises:
        RpcProblem: It is negative, or above every version.
    """
    if not 0 <= version <= AMOUNT_MAX:
        raise RpcProblem(
            "invalid_parameter", f"after_version takes a whole number from 0 to {AMOUNT_MAX}."
        )
    return version


def invalid_fields(errors: list[InputError]) -> RpcProblem:
    """Makes the problem of wrong fields."""
    code, detail = in_short(errors)
    return RpcProblem(code, detail, errors=errors)


def _members(message: Message) -> dict[str, Any]:
    """Gives the fields of a command as JSON would have them, without those of the call."""
    members: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        if field.name in _OF_THE_CALL or (
            field.has_presence and not message.HasField(field.name)
        ):
            continue
        value: Any = getattr(message, field.name)
        if field.enum_type is not None:
            if value:
                members[field.name] = _label(field.enum_type, value)
        elif field.message_type is not None:  # a map; other messages do not occur in commands
            if value:
                members[field.name] = dict(value)
        else:
            members[field.name] = value
    return members


def _label(kind: Any, number: int) -> str:
    """Gives an enum's value as JSON has it: ACCOUNT_KIND_CUSTOMER is "customer"."""
    values = kind.values_by_number
    prefix = values[0].name.removesuffix("UNSPECIFIED")
    # A number that is not known stays one, and fits no shape.
    return values[number].name.removeprefix(prefix).lower() if number in values else str(number)
