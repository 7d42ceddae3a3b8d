"""The credential of a request: one `Authorization` header, judged once for many requests.

A judged header is remembered for `REMEMBERED_S`, so that a busy client does not pay for the
proof at each request. With what the keys' own memory believes, a revoked key is void everywhere
within 60 s. At most `HEADERS_MAX` headers are remembered.
"""

from __future__ import annotations

from typing import Final

from aiohttp.web import BaseRequest

from chronos.api.exchange import Authenticator
from chronos.api.problems import HttpProblem
from chronos.auth.principals import Principal, Scope
from chronos.clock import Clock

REMEMBERED_S: Final = 1.0
HEADERS_MAX: Final = 1024
_BEARER: Final = 'Bearer realm="chronos"'


class Credentials:
    """Tells who sends a request."""

    def __init__(self, auth: Authenticator, clock: Clock):
        self._auth = auth
        self._clock = clock
        self._judged: dict[str, tuple[Principal, float]] = {}

    async def principal(self, request: BaseRequest) -> Principal:
        """Gives the holder of the request's API key.

        Raises:
            HttpProblem: There is no key, more than one, or nobody's.
            Unavailable: The key cannot be judged now.
        """
        headers = request.headers.getall("Authorization", ())
        if len(headers) != 1:
            raise _unauthenticated()
        header = headers[0]
        judged = self._judged.get(header)
        now_s = self._clock.monotonic_s()
        if judged is not None and judged[1] > now_s:
            return judged[0]
        principal = await self._auth.authenticate(header)
        if principal is None:
            self._judged.pop(header, None)
            raise _unauthenticated()
        if len(self._judged) >= HEADERS_MAX:
            self._judged.clear()
        self._judged[header] = (principal, now_s + REMEMBERED_S)
        return principal


def check_scope(principal: Principal, scope: Scope) -> None:
    """Refuses a key that does not allow what the route asks."""
    if not principal.may(scope):
        raise HttpProblem(
            "insufficient_scope",
            f"The API key lacks the scope {scope.value}.",
            headers={
                "WWW-Authenticate": f'{_BEARER}, error="insufficient_scope", '
                f'scope="{scope.value}"'
            },
        )


def _unauthenticated() -> HttpProblem:
    return HttpProblem(
        "unauthenticated",
        "Send Authorization: Bearer and an API key that is not revoked.",
        headers={"WWW-Authenticate": _BEARER},
    )
