"""The credential of a request: its one `Authorization` header, and what its key allows."""

from __future__ import annotations

from typing import Final

from aiohttp.web import BaseRequest

from chronos.api.problems import HttpProblem
from chronos.auth.credentials import Authenticator, JudgedHeaders
from chronos.auth.principals import Principal, Scope
from chronos.clock import Clock

_BEARER: Final = 'Bearer realm="chronos"'


class Credentials:
    """Tells who sends a request."""

    def __init__(self, auth: Authenticator, clock: Clock):
        self._judged = JudgedHeaders(auth, clock)

    async def principal(self, request: BaseRequest) -> Principal:
        """Gives the holder of the request's API key.

        Raises:
            HttpProblem: There is no key, more than one, or nobody's.
            Unavailable: The key cannot be judged now.
        """
        principal = await self._judged.holder(request.headers.getall("Authorization", ()))
        if principal is None:
            raise _unauthenticated()
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
