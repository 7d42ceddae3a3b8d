"""Reads server-sent events as the standard says, from a client's side."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientResponse, ClientTimeout

LONG_S = 20.0


class EventReader:
    """Reads one stream; remembers the last id as an EventSource does."""

    def __init__(self, answer: ClientResponse):
        self.answer = answer
        self.last_id = ""

    async def block(self, within_s: float = LONG_S) -> dict[str, str] | None:
        """Gives the fields of the next block of lines; None at the end of the stream."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(within_s):
            while line := await self.answer.content.readline():
                name, _, value = line.decode().rstrip("\n").partition(":")
                if not line.strip():
                    self.last_id = fields.get("id", self.last_id)
                    return fields
                assert name not in fields, line
                fields[name] = value.removeprefix(" ")
        return None

    async def event(self, within_s: float = LONG_S) -> dict[str, str] | None:
        """Gives the next block that is an event."""
        while (fields := await self.block(within_s)) is not None:
            if "data" in fields:
                return fields
        return None

    async def events(self, count: int) -> list[tuple[str, int]]:
        """Gives account and version of the next events."""
        return [_named(await self.event()) for _ in range(count)]


@asynccontextmanager
async def opened(
    http: Any, url: str, last_id: str | None = None, **query: str
) -> AsyncIterator[EventReader]:
    """Opens a stream; asserts that there is one."""
    headers = {"Accept": "text/event-stream"}
    if last_id is not None:
        headers["Last-Event-ID"] = last_id
    timeout = ClientTimeout(total=None)
    async with http.get(url, params=query, headers=headers, timeout=timeout) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/event-stream"
        yield EventReader(answer)


def _named(fields: dict[str, str] | None) -> tuple[str, int]:
    assert fields is not None, "the stream is at its end"
    event = json.loads(fields["data"])
    assert "account_id" in event, fields
    return event["account_id"], event["version"]
