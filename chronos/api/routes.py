"""The one table of routes: what each takes, whom it lets in, what it answers.

The router, the checks of the door and the OpenAPI document all read this table; what is not in
it does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

import msgspec

from chronos.api import answers, health
from chronos.api.accounts import list_events, open_account, show_account, show_balance
from chronos.api.answer import JSON, Answer
from chronos.api.currencies import list_currencies
from chronos.api.exchange import Exchange, Services
from chronos.api.problems import HttpProblem
from chronos.api.query import AFTER, DRY_RUN, LIMIT, Parameter
from chronos.api.transfers import make_transfer, show_transfer
from chronos.api.trial_balance import show_trial_balance
from chronos.auth.principals import Scope
from chronos.domain.ids import is_valid_id
from chronos.telemetry.metrics import CONTENT_TYPE as METRICS_TEXT
from chronos.wire.bodies import Body, OpenAccountBody, TransferBody

COMMAND_BODY_BYTES_MAX: Final = 64 * 1024

Handler = Callable[[Services, Exchange], Awaitable[Answer]]

_REFUSALS_OF_OPENING: Final = ("account_exists", "external_id_exists")
_REFUSALS_OF_TRANSFER: Final = (
    "insufficient_funds",
    "account_frozen",
    "account_closed",
    "balance_limit",
    "transfer_exists",
    "version_conflict",
    "account_not_found",
    "currency_mismatch",
    "same_account",
    "date_invalid",
)


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
    query: tuple[Parameter, ...] = ()
    refusals: tuple[str, ...] = ()
    """Codes by which the core or the journal may refuse it."""
    media_type: str = JSON


def _command(
    path: str,
    summary: str,
    *,
    handler: Handler,
    body: type[Body],
    answer: type[msgspec.Struct],
    refusals: tuple[str, ...],
) -> Route:
    return Route(
        method="POST",
        path=path,
        summary=summary,
        handler=handler,
        answer=answer,
        status=201,
        scope=Scope.WRITE,
        needs_journal=True,
        body=body,
        body_bytes_max=COMMAND_BODY_BYTES_MAX,
        query=(DRY_RUN,),
        refusals=refusals,
    )


def _read(
    path: str,
    summary: str,
    *,
    handler: Handler,
    answer: type[msgspec.Struct],
    query: tuple[Parameter, ...] = (),
    refusals: tuple[str, ...] = (),
) -> Route:
    return Route(
        method="GET",
        path=path,
        summary=summary,
        handler=handler,
        answer=answer,
        scope=Scope.READ,
        needs_journal=True,
        query=query,
        refusals=refusals,
    )


def _open(
    path: str,
    summary: str,
    *,
    handler: Handler,
    answer: type[msgspec.Struct] | None,
    media_type: str = JSON,
) -> Route:
    return Route(
        method="GET",
        path=path,
        summary=summary,
        handler=handler,
        answer=answer,
        media_type=media_type,
    )


ADMIN_ROUTES: Final = (
    _open("/healthz", "Is the process alive?", handler=health.live, answer=answers.Health),
    _open("/readyz", "May it be sent work?", handler=health.ready, answer=answers.Health),
    _open(
        "/metrics",
        "Its metrics, as Prometheus text.",
        handler=health.expose_metrics,
        answer=None,
        media_type=METRICS_TEXT,
    ),
)

ROUTES: Final = (
    _command(
        "/v1/accounts",
        "Open an account.",
        handler=open_account,
        body=OpenAccountBody,
        answer=answers.OpenedAccount,
        refusals=_REFUSALS_OF_OPENING,
    ),
    _command(
        "/v1/transfers",
        "Move money from one account to another.",
        handler=make_transfer,
        body=TransferBody,
        answer=answers.BookedTransfer,
        refusals=_REFUSALS_OF_TRANSFER,
    ),
    _read(
        "/v1/accounts/{id}",
        "Read an account from the journal.",
        handler=show_account,
        answer=answers.Account,
        refusals=("account_not_found",),
    ),
    _read(
        "/v1/accounts/{id}/balance",
        "Read a balance from the journal.",
        handler=show_balance,
        answer=answers.Balance,
        refusals=("account_not_found",),
    ),
    _read(
        "/v1/accounts/{id}/events",
        "List an account's events, oldest first.",
        handler=list_events,
        answer=answers.Events,
        query=(AFTER, LIMIT),
        refusals=("account_not_found",),
    ),
    _read(
        "/v1/transfers/{id}",
        "Read a transfer from the journal.",
        handler=show_transfer,
        answer=answers.BookedEntry,
        refusals=("transfer_not_found",),
    ),
    _read(
        "/v1/trial-balance",
        "Add up the books by currency and kind.",
        handler=show_trial_balance,
        answer=answers.TrialBalance,
    ),
    _read(
        "/v1/currencies",
        "List the currencies in use.",
        handler=list_currencies,
        answer=answers.Currencies,
    ),
    *ADMIN_ROUTES,
    _open(
        "/openapi.json", "This interface, described.", handler=health.show_openapi, answer=None
    ),
)


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
