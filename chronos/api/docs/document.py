"""The operations of an OpenAPI document, as the page looks at them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chronos.api.answer import JSON
from chronos.api.docs.shapes import Schema
from chronos.wire.openapi import CODES


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path, with what the document says of it."""

    method: str
    path: str
    said: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its `operationId`, by which the page is addressed (`#name`)."""
        return str(self.said["operationId"])

    @property
    def subject(self) -> str:
        """What it is about: its tag, or the first word of its path."""
        for label in self.said.get("tags", ()):
            return str(label)
        version, _, rest = self.path.strip("/").partition("/")
        return rest.partition("/")[0] if version == "v1" and rest else "service"

    @property
    def body(self) -> Schema | None:
        """Schema of the body that it takes."""
        return schema_in(self.said.get("requestBody", {}))

    @property
    def codes(self) -> frozenset[str]:
        """Codes of all problems by which it may be refused."""
        answers = self.said["responses"].values()
        return frozenset(code for answer in answers for code in answer.get(CODES, ()))


def operations_of(document: Mapping[str, Any]) -> Iterator[Operation]:
    """Gives the operations, in the document's order."""
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            yield Operation(method=method.upper(), path=path, said=said)


def schema_in(holder: Mapping[str, Any]) -> Schema | None:
    """Gives the schema of the JSON that a request or an answer carries."""
    content: Mapping[str, Any] = holder.get("content", {})
    schema: Schema | None = content.get(JSON, {}).get("schema")
    return schema or None
