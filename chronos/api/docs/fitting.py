"""Whether a value keeps to a schema, as far as our own documents go."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from chronos.api.docs.shapes import Schema, resolved

_KINDS: Final[dict[type, str]] = {
    str: "string",
    int: "integer",
    dict: "object",
    list: "array",
    bool: "boolean",
    type(None): "null",
}
_SIZES: Final = {
    "string": "Length",
    "integer": "imum",
    "object": "Properties",
    "array": "Items",
}
_FORMS: Final = {"date": r"\d{4}-\d\d-\d\d", "date-time": r"\d{4}-\d\d-\d\dT.*"}


def fits(schema: Schema, value: Any, shapes: Mapping[str, Schema]) -> bool:
    """Tells whether the value could stand where the schema does."""
    schema = resolved(schema, shapes)
    kinds = schema.get("anyOf") or schema.get("oneOf")
    if kinds:
        return any(fits(kind, value, shapes) for kind in kinds)
    kind = _KINDS[type(value)]
    return (
        schema.get("type", kind) == kind
        and _is_one_of(schema, value)
        and _is_within(schema, value, _SIZES.get(kind))
        and (not isinstance(value, str) or _reads_like(schema, value))
        and all(fits(part, item, shapes) for part, item in _parts(schema, value))
    )


def _is_one_of(schema: Schema, value: Any) -> bool:
    if "const" in schema:
        return bool(value == schema["const"])
    return value in schema.get("enum", (value,))


def _is_within(schema: Schema, value: Any, of: str | None) -> bool:
    if of is None:
        return True
    size = value if isinstance(value, int) else len(value)
    low, high = schema.get("min" + of), schema.get("max" + of)
    return (low is None or size >= low) and (high is None or size <= high)


def _reads_like(schema: Schema, text: str) -> bool:
    form = _FORMS.get(schema.get("format", ""), "")
    return all(re.search(pattern, text) for pattern in (schema.get("pattern", ""), form))


def _parts(schema: Schema, value: Any) -> Iterator[tuple[Schema, Any]]:
    """Gives what a value is made of, with its schemas; what must be there is asked for."""
    if isinstance(value, list):
        for item in value:
            yield schema.get("items", {}), item
    if isinstance(value, dict):
        members: Mapping[str, Schema] = schema.get("properties", {})
        others = schema.get("additionalProperties", True)
        for name in schema.get("required", ()):
            if name not in value:
                yield _NOTHING, None
        for name, member in value.items():
            if name in members:
                yield members[name], member
            else:
                yield others if isinstance(others, Mapping) else _rest(others), member


def _rest(others: bool) -> Schema:  # noqa: FBT001  as JSON Schema has it
    return {} if others else _NOTHING


_NOTHING: Final = {"enum": ()}
