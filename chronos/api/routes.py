"""What a route is, and how a request finds its own. The routes themselves are in `table.py`."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

import msgspec

from chronos.api.answer import JSON, Answer, Streamed
from chronos.api.exchange import Exchange, Services
from chronos.api.problems import HttpProblem
from chronos.api.query import Parameter, Query, parse_query
from chronos.auth.principals import Scope
from chronos.domain.ids import is_valid_id
from chronos.wire.bodies import Body

Handler = Callable[[Services, Exchange], Awaitable[Answer | Streamed]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one path."""

    method: str
    path: str
    """With its parameters in braces; each stands for one id."""
    summary: str
    handler: Handler
    answer: type[msgspec.Struct] | None
    """Shape of the successful answer; None when it is not our JSON."""
    status: int = 200
    scope: Scope | None = None
    """What the key must allow; None: nobody is asked for one."""
    needs_journal: bool = False
    """Whether it can be answered before the start-up checks have passed."""
    body: type[Body] | None = None
    body_bytes_max: int = 0
    body_optional: bool = False
    """Whether no body at all means an empty object."""
    takes_if_match: bool = False
    """Whether the header If-Match names the version that the account must have."""
    operation: str = ""
    """Its name, where several routes share a handler."""
    query: tuple[Parameter[object], ...] = ()
    refusals: tuple[str, ...] = ()
    """Codes by which the core or the journal may refuse it."""
    media_type: str = JSON
    other_media_types: tuple[str, ...] = ()
    """In which the same answer can be had, when it is asked for."""
    without_query: Query = field(init=False, repr=False, compare=False)
    """The values of its query parameters when all are left out, as they mostly are."""

    def __post_init__(self) -> None:
        """Reads what never changes once."""
        object.__setattr__(self, "without_query", parse_query("", self.query))

    @property
    def name(self) -> str:
        """Name of the operation in the OpenAPI document."""
        return self.operation or self.handler.__name__


class Router:
    """Finds the route of a request by its path as it came: nothing is normalised away."""

    def __init__(self, routes: Iterable[Route]):
        self._plain: dict[str, dict[str, Route]] = {}
        self._patterns: dict[str, tuple[re.Pattern[str], dict[str, Route]]] = {}
        for route in routes:
            self._methods_at(route.path)[route.method] = route

    def find(self, method: str, path: str) -> tuple[Route, Mapping[str, str]]:
        """Gives the route and the ids in its path.

        Raises:
            HttpProblem: 404 for an unknown path or an impossible id, 405 for a method that the
                path does not have.
        """
        methods, params = self._match(path)
        route = methods.get("GET" if method == "HEAD" else method)
        if route is None:
            raise HttpProblem(
                "method_not_allowed",
                f"This address knows {', '.join(allowed(methods))}.",
                headers={"Allow": ", ".join(allowed(methods))},
            )
        for value in params.values():
            if not is_valid_id(value):
                raise HttpProblem("id_invalid", "No id is written like this one.", status=404)
        return route, params

    def methods(self, path: str) -> tuple[str, ...]:
        """Names the methods of a path.

        Raises:
            HttpProblem: The path is unknown.
        """
        return allowed(self._match(path)[0])

    def _match(self, path: str) -> tuple[Mapping[str, Route], Mapping[str, str]]:
        methods = self._plain.get(path)
        if methods is not None:
            return methods, {}
        for pattern, methods_there in self._patterns.values():
            match = pattern.fullmatch(path)
            if match is not None:
                return methods_there, {
                    name: unquote(value) for name, value in match.groupdict().items()
                }
        raise HttpProblem("not_found", "There is nothing at this address.")

    def _methods_at(self, path: str) -> dict[str, Route]:
        if "{" not in path:
            return self._plain.setdefault(path, {})
        pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))
        return self._patterns.setdefault(path, (pattern, {}))[1]


def allowed(methods: Mapping[str, Route]) -> tuple[str, ...]:
    """Names what may be sent to an address: its methods, HEAD beside GET, and OPTIONS."""
    head = ("HEAD",) if "GET" in methods else ()
    return (*methods, *head, "OPTIONS")
