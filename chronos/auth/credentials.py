"""Credentials as they come to a door: one header, judged once for many requests.

A judged header is remembered for `REMEMBERED_S`, so that a busy client does not pay for the
proof at each request. With what the keys' own memory believes, a revoked key is void everywhere
within 60 s. At most `HEADERS_MAX` headers are remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from chronos.auth.principals import Principal
from chronos.clock import Clock

REMEMBERED_S: Final = 1.0
HEADERS_MAX: Final = 1024


class Authenticator(Protocol):
    """Knows the holders of API keys."""

    async def authenticate(self, header: str | None) -> Principal | None:
        """Gives the holder of the key in an Authorization header, or None.

        Raises:
            Unavailable: The key cannot be judged now.
        """
        ...


class JudgedHeaders:
    """Tells who sends a request, by its `Authorization` headers."""

    def __init__(self, auth: Authenticator, clock: Clock):
        self._auth = auth
        self._clock = clock
        self._judged: dict[str, tuple[Principal, float]] = {}

    async def holder(self, headers: Sequence[str]) -> Principal | None:
        """Gives the holder of the one key; None for no key, more than one, or nobody's.

        Raises:
            Unavailable: The key cannot be judged now.
        """
        if len(headers) != 1:
            return None
        header = headers[0]
        judged = self._judged.get(header)
        now_s = self._clock.monotonic_s()
        if judged is not None and judged[1] > now_s:
            return judged[0]
        principal = await self._auth.authenticate(header)
        if principal is None:
            self._judged.pop(header, None)
            return None
        if len(self._judged) >= HEADERS_MAX:
            self._judged.clear()
        self._judged[header] = (principal, now_s + REMEMBERED_S)
        return principal
