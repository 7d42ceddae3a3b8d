"""`GET /v1/accounts/{id}/balance?min_version=`: the balance, from whoever knows it.

Where the account's partition lives in this process, its table answers. Elsewhere Redis answers,
when it has the version that was asked for; if not, the request is passed on to the owner, once,
with a short time-out, and the owner's answer is given back whole. While the table is filled or
the group is rearranged, Redis may still answer; the table may not.

A version that is not there yet is waited for, at most `min_version_wait_s`: the table wakes the
reader, nothing polls. Every answer says which version it shows, and from where.
"""

from __future__ import annotations

from typing import Protocol

import aiohttp
import msgspec
import structlog
from aiohttp import web

from chronos.clock import Clock
from chronos.domain.ids import is_valid_id
from chronos.errors import Unavailable
from chronos.telemetry.balances_metrics import BALANCE_SOURCES
from chronos.wire.balance import Balance
from chronos.wire.topics import partition_of
from tables.balances import BalancesTable
from web.parameters import Parameters
from web.respond import Refusal, Respond, json_answer

PATH = "/v1/accounts/{account_id}/balance"
FORWARD_HEADER = "X-Chronos-Forwarded"
FORWARD_TIMEOUT_S = 1.0
FORWARD_CONNECTIONS_MAX = 100
VERSION_MAX = 2**53 - 1
_KNOWN = frozenset({"min_version"})
_PASSED_HEADERS = ("Content-Type", "Retry-After", "WWW-Authenticate", "X-Request-Id")
_RETRY_AFTER_S = 1

log = structlog.get_logger("web.balances")


class BalanceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer's JSON; amounts in minor units."""

    account: str
    currency: str
    booked: int
    held: int
    available: int
    overdraft_limit: int | None
    status: str
    version: int
    as_of: str
    source: str


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
        timeout = aiohttp.ClientTimeout(
            total=FORWARD_TIMEOUT_S + wait_s, sock_connect=FORWARD_TIMEOUT_S
        )
        try:
            async with self._session.get(url, headers=headers, timeout=timeout) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            detail = f"the worker that keeps this account did not answer ({error!r})"
            raise Unavailable("balances", detail, retry_after_s=_RETRY_AFTER_S) from error
        passed = {
            name: answer.headers[name] for name in _PASSED_HEADERS if name in answer.headers
        }
        return web.Response(body=body, status=answer.status, headers=passed)


class Balances:
    """Answers for the balance of one account.

    Args:
        table: The table of this worker.
        copy: Redis.
        owners: Passes requests on.
        clock: Bounds the wait.
        wait_s: The longest wait for `min_version`.
    """

    def __init__(
        self,
        table: BalancesTable,
        *,
        copy: Copy,
        owners: Owners,
        clock: Clock,
        wait_s: float,
    ):
        self._table = table
        self._copy = copy
        self._owners = owners
        self._clock = clock
        self._wait_s = wait_s
        self._from_table = BALANCE_SOURCES.labels("table")
        self._from_redis = BALANCE_SOURCES.labels("redis")
        self._forwarded = BALANCE_SOURCES.labels("forwarded")

    def add_to(self, respond: Respond) -> None:
        """Puts the view on its path."""
        respond.add_view(PATH, self.answer, name="balance")

    async def answer(self, request: web.Request) -> web.Response:
        """Answers with the balance.

        Raises:
            Refusal: The account or the version is not known here, or not yet.
            Unavailable: Nobody who knows could be asked.
        """
        account_id = request.match_info["account_id"]
        min_version = Parameters(request, _KNOWN).whole("min_version", low=0, high=VERSION_MAX)
        if not is_valid_id(account_id):
            raise Refusal("id_invalid", "That is not an account id.", status=404)
        key = account_id.encode()
        partition = partition_of(key, self._table.partitions)
        if self._table.is_ready and self._table.owns(partition):
            return await self._from_own_table(key, partition, min_version or 0)
        return await self._from_elsewhere(request, account_id, partition, min_version or 0)

    async def _from_own_table(
        self, key: bytes, partition: int, min_version: int
    ) -> web.Response:
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
        return _shown(balance, "table")

    async def _from_elsewhere(
        self, request: web.Request, account_id: str, partition: int, min_version: int
    ) -> web.Response:
        balance = await self._read_copy(account_id)
        if balance is not None and balance.version >= min_version:
            self._from_redis.inc()
            return _shown(balance, "redis")
        if FORWARD_HEADER in request.headers or not self._table.is_ready:
            raise _moving()
        owner = self._table.owner_url(partition)
        if owner is None:
            raise _moving()
        self._forwarded.inc()
        wait_s = self._wait_s if min_version else 0
        return await self._owners.ask(request, owner, wait_s=wait_s)

    async def _read_copy(self, account_id: str) -> Balance | None:
        try:
            return await self._copy.read(account_id)
        except Unavailable as fault:
            log.debug("redis_unavailable", reason=fault.detail)
            return None


def _shown(balance: Balance, source: str) -> web.Response:
    return json_answer(
        BalanceAnswer(
            account=balance.account_id,
            currency=balance.currency,
            booked=balance.booked,
            held=balance.held,
            available=balance.available,
            overdraft_limit=balance.overdraft_limit,
            status=balance.status,
            version=balance.version,
            as_of=balance.recorded_at,
            source=source,
        )
    )


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
