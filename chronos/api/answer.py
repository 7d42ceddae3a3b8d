"""An answer before it is sent: status, headers, and bytes or what makes them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

JSON = "application/json"
CSV = "text/csv"
HTML = "text/html; charset=utf-8"
_encoder = msgspec.json.Encoder()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a handler answers."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    code: str | None = None
    """The problem's code, for the metrics and the access log."""
    close: bool = False
    """True: the connection cannot be used for another request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """What a handler answers with 200 when it is long, or may be: sent while it is made."""

    pieces: AsyncGenerator[bytes, None]
    """The body; each piece is made when the client has taken the one before."""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    is_page: bool = False
    """True: its first piece is all of it, so that its length is told."""


def etag(version: int) -> dict[str, str]:
    """Gives the header that names an account's version."""
    return {"ETag": f'"{version}"'}


def json_answer(value: Any, *, headers: Mapping[str, str] | None = None) -> Answer:
    """Answers 200 with a value as JSON."""
    return Answer(status=200, body=_encoder.encode(value), headers=headers or {})
