"""Finds the balance of one account; the views that show it, or a part of it, share the way.

Where the account's partition lives in this process, its table answers. Elsewhere Redis answers,
when it has the version that was asked for; if not, the request is passed on to the owner, once,
with a short time-out, and the owner's answer is given back whole. While the table is filled or
the group is rearranged, Redis may still answer; the table may not.

A version that is not there yet is waited for, at most `min_version_wait_s`: the table wakes the
reader, nothing polls. Every answer says which version it shows, and from where.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import aiohttp
import structlog
from aiohttp import web

from chronos.domain.ids import is_valid_id
from chronos.errors import Unavailable
from chronos.telemetry.balances_metrics import BALANCE_SOURCES
from chronos.telemetry.span_shapes import http_call
from chronos.telemetry.spans import current, working
from chronos.wire.balance import Balance
from chronos.wire.topics import partition_of
from web.parameters import Parameters
from web.respond import JsonAnswer, Refusal
from web.routes.table import BALANCE
from web.routes.taken import VERSION_MAX
from web.traced import traceparent_of

FORWARD_HEADER = "X-Chronos-Forwarded"
FORWARD_TIMEOUT_S = 1.0
FORWARD_CONNECTIONS_MAX = 100
_PASSED_HEADERS = ("Content-Type", "Retry-After", "WWW-Authenticate", "X-Request-Id")
_RETRY_AFTER_S = 1

Show = Callable[[Balance, str], JsonAnswer]
"""Makes a view's answer of a balance and the word for where it came from."""

log = structlog.get_logger("web.routing")


class Table(Protocol):
    """Keeps the balances of this worker's partitions; `BalancesTable` is the real one."""

    @property
    def partitions(self) -> int:
        """How many partitions there are in all."""
        ...

    @property
    def is_ready(self) -> bool:
        """Tells whether the table is filled and no rebalance is under way."""
        ...

    def owns(self, partition: int) -> bool:
        """Tells whether this worker keeps a partition."""
        ...

    def owner_url(self, partition: int) -> str | None:
        """Gives the address of the worker that keeps a partition."""
        ...

    def read(self, key: bytes, partition: int) -> Balance | None:
        """Reads the newest value of a key of a partition that is kept here."""
        ...

    async def wait_for(self, key: bytes, version: int, *, timeout_s: float) -> None:
        """Returns when a value of at least this version was written here, or time is over."""
        ...


class Copy(Protocol):
    """Reads the copy of balances; `RedisMirror` is the real one."""

    async def read(self, account_id: str) -> Balance | None:
        """Reads one balance; raises `Unavailable` when there was no answer."""
        ...


class Owners:
    """Passes requests on to the worker that keeps an account's partition."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Makes the client; nothing is connected."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=FORWARD_CONNECTIONS_MAX),
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()

    async def ask(self, request: web.Request, owner: str, *, wait_s: float) -> web.Response:
        """Asks the owner the same question and gives back its answer whole.

        Args:
            request: The request to pass on, credential included.
            owner: The owner's base address.
            wait_s: How much longer than usual the owner may take: the wait for a version.

        Raises:
            Unavailable: The owner did not answer in time.
        """
        if self._session is None:
            raise Unavailable("balances", "this worker is starting or stopping")
        url = owner.rstrip("/") + request.raw_path
        headers = {FORWARD_HEADER: "1"}
        if "Authorization" in request.headers:
            headers["Authorization"] = request.headers["Authorization"]
        traceparent, status = traceparent_of(request), 0
        served = () if traceparent is None else (traceparent,)
        timeout = aiohttp.ClientTimeout(
            total=FORWARD_TIMEOUT_S + wait_s, sock_connect=FORWARD_TIMEOUT_S
        )
        try:
            with working(served, lambda: http_call("GET", owner, status)):
                # Below the call where it is recorded, else as the request has it.
                for value in (current() or served)[:1]:
                    headers["traceparent"] = value
                async with self._session.get(url, headers=headers, timeout=timeout) as answer:
                    status, body = answer.status, await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            detail = f"the worker that keeps this account did not answer ({error!r})"
            raise Unavailable("balances", detail, retry_after_s=_RETRY_AFTER_S) from error
        passed = {
            name: answer.headers[name] for name in _PASSED_HEADERS if name in answer.headers
        }
        return web.Response(body=body, status=status, headers=passed)


class Routing:
    """Finds the balance of one account and has it shown.

    Args:
        table: The table of this worker.
        copy: Redis.
        owners: Passes requests on.
        wait_s: The longest wait for `min_version`.
    """

    def __init__(self, table: Table, *, copy: Copy, owners: Owners, wait_s: float):
        self._table = table
        self._copy = copy
        self._owners = owners
        self._wait_s = wait_s
        self._from_table = BALANCE_SOURCES.labels("table")
        self._from_redis = BALANCE_SOURCES.labels("redis")
        self._forwarded = BALANCE_SOURCES.labels("forwarded")

    async def answer(self, request: web.Request, show: Show) -> web.Response | JsonAnswer:
        """Answers for the account in the path, as `show` shows it or as its owner did.

        Raises:
            Refusal: The account or the version is not known here, or not yet.
            Unavailable: Nobody who knows could be asked.
        """
        account_id = request.match_info["account_id"]
        min_version = Parameters(request, BALANCE.names).whole(
            "min_version", low=0, high=VERSION_MAX
        )
        if not is_valid_id(account_id):
            raise Refusal("id_invalid", "That is not an account id.", status=404)
        key = account_id.encode()
        partition = partition_of(key, self._table.partitions)
        if self._table.is_ready and self._table.owns(partition):
            return show(await self._from_own_table(key, partition, min_version or 0), "table")
        balance = await self._read_copy(account_id)
        if balance is not None and balance.version >= (min_version or 0):
            self._from_redis.inc()
            return show(balance, "redis")
        return await self._ask_owner(request, partition, waits=bool(min_version))

    async def _from_own_table(self, key: bytes, partition: int, min_version: int) -> Balance:
        balance = self._table.read(key, partition)
        if min_version > _version(balance):
            await self._table.wait_for(key, min_version, timeout_s=self._wait_s)
            if not self._table.owns(partition):
                raise _moving()
            balance = self._table.read(key, partition)
        if balance is None:
            raise _not_found(key.decode())
        if balance.version < min_version:
            raise _behind(balance.version, min_version)
        self._from_table.inc()
        return balance

    async def _ask_owner(
        self, request: web.Request, partition: int, *, waits: bool
    ) -> web.Response:
        if FORWARD_HEADER in request.headers or not self._table.is_ready:
            raise _moving()
        owner = self._table.owner_url(partition)
        if owner is None:
            raise _moving()
        self._forwarded.inc()
        return await self._owners.ask(request, owner, wait_s=self._wait_s if waits else 0)

    async def _read_copy(self, account_id: str) -> Balance | None:
        try:
            return await self._copy.read(account_id)
        except Unavailable as fault:
            log.debug("redis_unavailable", reason=fault.detail)
            return None


def _version(balance: Balance | None) -> int:
    return 0 if balance is None else balance.version


def _not_found(account_id: str) -> Refusal:
    return Refusal("account_not_found", f"There is no account `{account_id[:64]}`.", status=404)


def _behind(version: int, min_version: int) -> Refusal:
    return Refusal(
        "read_model_behind",
        f"The balance shows version {version}; version {min_version} was asked for.",
        retry_after_s=_RETRY_AFTER_S,
        extra={"version": version},
    )


def _moving() -> Refusal:
    return Refusal(
        "unavailable",
        "The account is moving between workers or its table is being filled.",
        retry_after_s=_RETRY_AFTER_S,
    )
