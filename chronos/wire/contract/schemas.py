"""JSON Schemas of all that the topics carry, made from the shapes that write and read it.

One schema for each type of event and schema version that the journal can hold, old ones too.
Readers are to be tolerant: a schema allows members that it does not name, and enums may grow.

Source: JSON Schema, draft 2020-12.
"""

from __future__ import annotations

import json
from typing import Any, Final, get_args

import msgspec

from chronos.wire.balance import Balance
from chronos.wire.event_shapes import SCHEMA_VERSIONS, EventShape
from chronos.wire.members import SINCE
from chronos.wire.rejection import SCHEMA_VERSION as REJECTION_VERSION
from chronos.wire.rejection import TYPE as REJECTION
from chronos.wire.rejection import RejectionShape
from chronos.wire.relay_control import Republish

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
VERSIONS: Final = {**SCHEMA_VERSIONS, REJECTION: REJECTION_VERSION}
"""The newest schema version of each type that has any."""
BALANCE: Final = "Balance"
REPUBLISH: Final = "Republish"
_REF_PREFIX: Final = "#/"
_LEFT_OUT: Final = ("$ref", "default")
_READ_FIRST: Final = ("title", "description", SINCE, "type")
_VERSION_MEMBER: Final = "schema_version"


def event_schemas() -> dict[str, Schema]:
    """Gives the schema of each type of event in each version: `HoldPlaced.v1` and so on."""
    schemas: dict[str, Schema] = {}
    for shape in get_args(EventShape):
        schemas |= _versions(shape)
    return schemas


def rejection_schemas() -> dict[str, Schema]:
    """Gives the schema of each version of a refusal's record."""
    return _versions(RejectionShape)


def all_schemas() -> dict[str, Schema]:
    """Gives the schema of everything that a topic carries, by its name."""
    return {
        **event_schemas(),
        **rejection_schemas(),
        BALANCE: _schema(Balance, BALANCE),
        REPUBLISH: _schema(Republish, REPUBLISH),
    }


def written(document: Schema) -> str:
    """Writes a document as it is committed: for people, one member a line."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _versions(shape: type[msgspec.Struct]) -> dict[str, Schema]:
    kind = _tag(shape)
    versions = range(1, VERSIONS[kind] + 1)
    return {f"{kind}.v{version}": _versioned(shape, kind, version) for version in versions}


def _versioned(shape: type[msgspec.Struct], kind: str, version: int) -> Schema:
    """Gives the schema of one version: the members that it has, all of them required."""
    schema = _schema(shape, f"{kind}.v{version}")
    members = {
        name: member
        for name, member in schema["properties"].items()
        if member.get(SINCE, 1) <= version
    }
    members[_VERSION_MEMBER]["const"] = version
    return schema | {"properties": members, "required": list(members)}


def _schema(shape: type[msgspec.Struct], name: str) -> Schema:
    (root,), parts = msgspec.json.schema_components(
        [shape], ref_template=_REF_PREFIX + "{name}"
    )
    schema = _inlined(root, parts)
    tag_field = shape.__struct_config__.tag_field
    if tag_field is not None:
        schema["properties"][tag_field] = {"type": "string", "const": _tag(shape)}
    return {
        "$schema": DIALECT,
        "$id": f"urn:chronos:schema:{name}",
        "title": name.partition(".")[0],
        "description": schema["description"],
        "type": "object",
        "properties": schema["properties"],
        "required": schema["required"],
        "additionalProperties": True,
    }


def _tag(shape: type[msgspec.Struct]) -> str:
    return str(shape.__struct_config__.tag)


def _inlined(schema: Schema, parts: dict[str, Schema]) -> Schema:
    """Puts what a reference names in its place, so that each schema stands alone."""
    reference = schema.get("$ref")
    if reference is not None:
        schema = parts[reference.removeprefix(_REF_PREFIX)] | schema
    inlined = {
        keyword: _inlined_value(keyword, value, parts)
        for keyword, value in schema.items()
        if keyword not in _LEFT_OUT
    }
    _name_types(inlined)
    return {keyword: inlined[keyword] for keyword in sorted(inlined, key=_rank)}


def _inlined_value(keyword: str, value: Any, parts: dict[str, Schema]) -> Any:
    if keyword == "properties":
        return {name: _inlined(member, parts) for name, member in value.items()}
    if keyword == "anyOf":
        return [_inlined(choice, parts) for choice in value]
    if keyword == "description":
        return " ".join(value.split())
    return _inlined(value, parts) if isinstance(value, dict) else value


def _name_types(schema: Schema) -> None:
    """Names the types that a choice of plain types, or a list of values, leaves to be seen."""
    if all(set(choice) == {"type"} for choice in schema.get("anyOf", ({},))):
        schema["type"] = [choice["type"] for choice in schema.pop("anyOf")]
    if "enum" in schema:
        is_text = isinstance(schema["enum"][0], str)
        schema.setdefault("type", "string" if is_text else "integer")


def _rank(keyword: str) -> int:
    return _READ_FIRST.index(keyword) if keyword in _READ_FIRST else len(_READ_FIRST)
