"""JSON Schema in words: the type of a member, its bounds, its default."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from chronos.api.docs.markup import NOTHING, Html, join, tag

Schema = Mapping[str, Any]
REFERENCE: Final = "#/components/schemas/"
_SHORT: Final = 48
_TEXTS: Final = {"date": "day", "date-time": "instant"}
_LOW_AND_HIGH: Final = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " items"),
    ("minProperties", "maxProperties", " members"),
)


def resolved(schema: Schema, shapes: Mapping[str, Schema]) -> Schema:
    """Follows a reference to its shape."""
    while "$ref" in schema:
        schema = shapes[str(schema["$ref"]).removeprefix(REFERENCE)]
    return schema


def shape_table(schema: Schema) -> Html:
    """Shows the members of an object, a line each; of anything else its type and bounds."""
    members: Mapping[str, Schema] = schema.get("properties", {})
    if not members:
        return tag("p", type_of(schema), " ", bounds_of(schema), class_="alone")
    required = schema.get("required", ())
    return rows(
        (name, member, name in required, description_of(member))
        for name, member in members.items()
    )


def rows(members: Iterable[tuple[Html | str, Schema, bool, str]]) -> Html:
    """Shows members: name, schema, whether it is required, and what it means."""
    return tag(
        "dl",
        *(
            join(
                (
                    tag("dt", tag("code", name), _required(needed=needed)),
                    tag("dd", type_of(schema), bounds_of(schema), _text(text)),
                )
            )
            for name, schema, needed, text in members
        ),
        class_="members",
    )


def type_of(schema: Schema) -> Html:
    """Names the type of a value; a shape of its own is a link to it."""
    return tag("span", join(_types(schema), " or "), class_="type")


def bounds_of(schema: Schema) -> Html:
    """Tells what a value must keep to, each bound once."""
    found = dict.fromkeys(bound for part in _parts(schema) for bound in _bounds(part))
    default = schema.get("default")
    if default not in (None, [], {}):
        found[join(("default ", tag("code", json.dumps(default))))] = None
    return join(tag("span", bound, class_="bound") for bound in found)


def description_of(schema: Schema) -> str:
    """Gives what a member says of itself, or what one of its types does."""
    for part in (schema, *_parts(schema)):
        if "description" in part:
            return str(part["description"])
    return ""


def _parts(schema: Schema) -> Iterator[Schema]:
    """Gives a schema, or those of which it is one."""
    yield from schema.get("anyOf") or schema.get("oneOf") or (schema,)


def _types(schema: Schema) -> Iterator[Html | str]:
    for part in _parts(schema):
        yield _type(part)


def _type(schema: Schema) -> Html | str:
    if "$ref" in schema:
        name = str(schema["$ref"]).removeprefix(REFERENCE)
        return tag("a", name, href=f"#shape-{name}")
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if values:
        return join((tag("code", json.dumps(value)) for value in values), " or ")
    match schema.get("type"):
        case "array":
            known: Html | str = join(
                ("list of ", join(_types(schema.get("items", {})), " or "))
            )
        case "object":
            known = _object(schema)
        case "string":
            known = _TEXTS.get(schema.get("format", ""), "text")
        case other:
            known = str(other or "anything")
    return known


def _object(schema: Schema) -> Html | str:
    values = schema.get("additionalProperties")
    if isinstance(values, Mapping) and values:
        return join(("map to ", join(_types(values), " or ")))
    return "object"


def _bounds(schema: Schema) -> Iterator[Html]:
    for low, high, unit in _LOW_AND_HIGH:
        span = _span(schema.get(low), schema.get(high))
        if span:
            yield join((span, unit))
    pattern = schema.get("pattern")
    if pattern is not None:
        yield _pattern(pattern)
    keys = schema.get("propertyNames", {}).get("pattern")
    if keys is not None:
        yield join(("keys like ", _pattern(keys)))
    values = schema.get("additionalProperties")
    inner = values if isinstance(values, Mapping) else schema.get("items")
    if inner:
        yield from (join(("each ", bound)) for bound in _bounds(inner))


def _span(low: int | None, high: int | None) -> str:
    if low is not None and high is not None:
        return str(low) if low == high else f"{low} to {high}"
    if high is not None:
        return f"at most {high}"
    return "" if low is None else f"at least {low}"


def _pattern(pattern: str) -> Html:
    if len(pattern) <= _SHORT:
        return tag("code", pattern)
    return tag("details", tag("summary", "a pattern"), tag("code", pattern), class_="pattern")


def _required(*, needed: bool) -> Html:
    return tag("span", "required", class_="required") if needed else NOTHING


def _text(text: str) -> Html:
    return tag("p", text) if text else NOTHING
