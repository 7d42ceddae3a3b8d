"""One client's way to the two sides: a kept-alive connection, and a deadline on each answer."""

from __future__ import annotations

from types import TracebackType
from typing import Final

import aiohttp
from yarl import URL

from chronos.chaos.load.answers import Answer, judged, unanswered

ANSWER_DEADLINE_S: Final = 2.0
KEEP_ALIVE_S: Final = 30.0
_NOT_NEEDED: Final = ("User-Agent", "Accept", "Accept-Encoding")


class Door:
    """One side, over one connection of its own; an asynchronous context manager."""

    def __init__(self, url: str, api_key: str, *, deadline_s: float = ANSWER_DEADLINE_S):
        self._url = url
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=1, keepalive_timeout=KEEP_ALIVE_S),
            timeout=aiohttp.ClientTimeout(total=deadline_s),
            headers={"Authorization": f"Bearer {api_key}"},
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_NOT_NEEDED,
        )

    async def __aenter__(self) -> Door:
        """Connects to nothing yet."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the connection."""
        await self._session.close()

    async def command(self, path: str, key: str, body: str) -> Answer:
        """Posts a command under its key."""
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        return await self._ask("POST", path, headers, body.encode())

    async def read(self, path: str) -> Answer:
        """Reads a path."""
        return await self._ask("GET", path, None, None)

    async def _ask(
        self, method: str, path: str, headers: dict[str, str] | None, body: bytes | None
    ) -> Answer:
        url = URL(self._url + path, encoded=True)
        try:
            async with self._session.request(
                method, url, headers=headers, data=body, allow_redirects=False
            ) as response:
                content = await response.read()
                return judged(
                    response.status,
                    content,
                    location=response.headers.get("Location", ""),
                    replayed=response.headers.get("Idempotent-Replayed") == "true",
                    retry_after=response.headers.get("Retry-After", ""),
                )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return unanswered(error)
