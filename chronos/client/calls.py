"""From a call to its request, and from the answer to its value: what all calls share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import date
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec

from chronos.client.answers import Touched
from chronos.client.doors import Doors
from chronos.client.exchange import Answer, Ask, Exchange
from chronos.client.receipts import Receipt
from chronos.client.refusals import UnreadableAnswer
from chronos.clock import IdSource

SEEN_ACCOUNTS_MAX: Final = 100_000
SILENCE_S: Final = 45.0
"""Most seconds without a byte of an answer that has begun; a stream's heart beats in 15 s."""
_ABOUT_SENDING: Final = frozenset({"key", "dry_run", "expected_version"})
_RENAMED: Final = {"since": "from", "until": "to"}

_T = TypeVar("_T")
_R = TypeVar("_R", bound=Receipt)


class SeenVersions:
    """Remembers the newest version of each account that a command answered.

    The account that was touched longest ago is forgotten first.
    """

    def __init__(self, accounts_max: int = SEEN_ACCOUNTS_MAX) -> None:
        self._accounts_max = accounts_max
        self._versions: OrderedDict[str, int] = OrderedDict()

    def remember(self, touched: Mapping[str, Touched]) -> None:
        """Remembers what a command left."""
        for account_id, account in touched.items():
            known = self._versions.pop(account_id, 0)
            self._versions[account_id] = max(known, account.version)
        while len(self._versions) > self._accounts_max:
            self._versions.popitem(last=False)

    def of(self, account_id: str) -> int | None:
        """Gives the version that a command left of an account, if one did."""
        return self._versions.get(account_id)


class Calls:
    """Sends the requests of one client.

    Args:
        doors: Where they go.
        exchange: Sends them.
        ids: Makes idempotency keys.
        reads_its_writes: Whether a read of the query side waits for what this client wrote.
    """

    def __init__(
        self, doors: Doors, exchange: Exchange, *, ids: IdSource, reads_its_writes: bool
    ) -> None:
        self.doors = doors
        self._exchange = exchange
        self._ids = ids
        self._reads_its_writes = reads_its_writes
        self._seen = SeenVersions()

    async def command(
        self,
        path: str,
        body: Mapping[str, Any],
        options: Mapping[str, Any],
        *,
        into: type[_R],
    ) -> _R:
        """Sends a command and gives its receipt.

        Args:
            path: Its address on the command endpoint.
            body: What it must say.
            options: What it may say, and how it is sent: `Sent`, `expected_version`.
            into: The type of the receipt.

        Raises:
            Refused: The server said no.
            DeadlineExceeded: No final answer came in time; ask again with the same key.
        """
        answer, url = await self.post(path, body, options)
        receipt = decoded(answer.body, into, url)
        receipt = msgspec.structs.replace(receipt, replayed=answer.replayed)  # type: ignore[type-var]  # every receipt is a struct
        self.remember(receipt, options)
        return receipt

    async def post(
        self, path: str, body: Mapping[str, Any], options: Mapping[str, Any]
    ) -> tuple[Answer, str]:
        """Sends a command and gives its answer as it came, with its address."""
        said = {name: one for name, one in options.items() if name not in _ABOUT_SENDING}
        is_dry = bool(options.get("dry_run"))
        headers = {"Content-Type": "application/json"}
        if not is_dry:
            headers["Idempotency-Key"] = options.get("key") or self._ids.new_id("req_")
        if (version := options.get("expected_version")) is not None:
            headers["If-Match"] = f'"{version}"'
        ask = Ask(
            method="POST",
            url=self.doors.command + path,
            headers=headers,
            query={"dry_run": "true"} if is_dry else {},
            body=msgspec.json.encode({**body, **_present(said)}),
        )
        return await self._exchange.send(ask), ask.url

    def remember(self, receipt: Receipt, options: Mapping[str, Any]) -> None:
        """Remembers the versions of a receipt; those of a dry run never come to be."""
        if not options.get("dry_run"):
            self._seen.remember(receipt.accounts)

    async def read(
        self, path: str, *, into: type[_T], query: Mapping[str, Any] | None = None
    ) -> _T:
        """Reads from the journal, by the command endpoint."""
        return await self.get(self.doors.command + path, into=into, query=query)

    async def view(
        self,
        path: str,
        *,
        into: type[_T],
        query: Mapping[str, Any] | None = None,
        deadline_s: float | None = None,
    ) -> _T:
        """Reads from the query side."""
        url = self.doors.query + path
        return await self.get(url, into=into, query=query, deadline_s=deadline_s)

    async def get(
        self,
        url: str,
        *,
        into: type[_T],
        query: Mapping[str, Any] | None = None,
        deadline_s: float | None = None,
    ) -> _T:
        """Reads from an address.

        Raises:
            Refused: There is no such thing, or it may not be read.
            DeadlineExceeded: No final answer came in time.
        """
        ask = Ask(method="GET", url=url, query=parameters(query or {}))
        answer = await self._exchange.send(ask, deadline_s=deadline_s)
        return decoded(answer.body, into, url)

    def download(
        self, path: str, query: Mapping[str, Any], *, media_type: str
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Reads something long from the command endpoint, in pieces as they come.

        What has begun is not begun again: `BrokenOff` comes out of the pieces.
        """
        ask = Ask(
            method="GET",
            url=self.doors.command + path,
            headers={"Accept": media_type},
            query=parameters(query),
        )
        return self._exchange.opened(ask, silence_s=SILENCE_S)

    def follow(
        self, path: str, query: Mapping[str, Any], *, headers: Mapping[str, str]
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Reads from the query side what goes on for ever, in pieces as they come."""
        ask = Ask(
            method="GET",
            url=self.doors.query + path,
            headers=headers,
            query=parameters(query),
        )
        return self._exchange.opened(ask, silence_s=SILENCE_S)

    def min_version(self, account_id: str, asked: int | None) -> int | None:
        """Gives the version to wait for: the one asked for, else what this client wrote."""
        if asked is None and self._reads_its_writes:
            return self._seen.of(account_id)
        return asked


def account_path(account_id: str, rest: str = "") -> str:
    """Gives the path of an account, or of something below it."""
    return f"/v1/accounts/{quote(account_id, safe=':')}{rest}"


def entity_path(kind: str, entity_id: str, rest: str = "") -> str:
    """Gives the path of a transfer or a hold, or of something below it."""
    return f"/v1/{kind}/{quote(entity_id, safe=':')}{rest}"


def parameters(query: Mapping[str, Any]) -> dict[str, str]:
    """Writes query parameters; those that are None are left out.

    `since` and `until` are named as the doors name them, and metadata is `metadata[key]`.
    """
    written: dict[str, str] = {}
    for name, value in query.items():
        if name == "metadata":
            written |= {f"metadata[{key}]": text for key, text in (value or {}).items()}
        elif value is not None:
            written[_RENAMED.get(name, name)] = _text(value)
    return written


def decoded(body: bytes, into: type[_T], url: str) -> _T:
    """Reads an answer.

    Raises:
        UnreadableAnswer: It is not what this client knows.
    """
    try:
        return msgspec.json.decode(body, type=into)
    except msgspec.MsgspecError as error:
        raise UnreadableAnswer(f"{url} answers something unexpected: {error}") from error


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date) else str(value)


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
