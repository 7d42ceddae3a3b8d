"""The copy of every balance in Redis: one hash per account, never older than it was.

A write carries its version, and a script on the server compares it with the stored one:
redelivery, two workers during a rebalance, or a refill that races with new events cannot bring
an old balance back. Whatever Redis loses (a restart, FLUSHALL) is written again from the table;
nothing here is the truth.

Reads that wait at the same time share a question, as `chronos/shared_reads.py` has it: a script
gives the hashes of all their accounts, each packed as one string. With a command of its own a
read cost ten times as much and took a connection, of which there are not so many as readers.

Bounds: one call sends at most `WRITE_BALANCES_MAX` balances in one pipeline, every call ends
within its deadline, and a failure of any kind is `Unavailable`: Redis stands beside the path of
the money, so its callers only ever ask "did it work".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import sha1
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from chronos.errors import Unavailable
from chronos.shared_reads import SharedReads
from chronos.wire.balance import Balance
from chronos.wire.topics import Names

WRITE_BALANCES_MAX = 500
READ_BALANCES_MAX = 500
_READ_DEADLINE_S = 1.0
WRITE_DEADLINE_S = 5.0
_CONNECTIONS_MAX = 16
_SERVICE = "redis"
_CLOSED = "the handler is closed"

# KEYS[1] the account's hash; ARGV[1] the version; ARGV[2] field, value, field, value ... as one
# MessagePack array: thirty arguments would cost the sender six times as much. Versions are far
# below 2^53, where Lua's numbers stop being exact. Amounts are never compared.
_WRITE_IF_NEWER = b"""
local stored = redis.call('HGET', KEYS[1], 'version')
if stored and tonumber(stored) >= tonumber(ARGV[1]) then
  return 0
end
redis.call('HSET', KEYS[1], unpack(cmsgpack.unpack(ARGV[2])))
return 1
"""
_WRITE_IF_NEWER_SHA = sha1(_WRITE_IF_NEWER, usedforsecurity=False).hexdigest()

# KEYS the accounts' hashes; for each its fields and values in turn as one MessagePack array:
# thirty strings would cost the reader twice as much. Nil where there is no hash; an empty
# string where there is something else, which is its own reader's trouble alone.
_READ_MANY = b"""
local found = {}
for i, key in ipairs(KEYS) do
  local hash = redis.pcall('HGETALL', key)
  if hash.err then
    found[i] = ''
  else
    found[i] = hash[1] and cmsgpack.pack(hash) or false
  end
end
return found
"""
_READ_MANY_SHA = sha1(_READ_MANY, usedforsecurity=False).hexdigest()

_WHOLE_FIELDS = ("version", "booked", "held", "overdraft_limit", "position")
_JSON_FIELDS = ("holds", "metadata")
_packer = msgspec.msgpack.Encoder()
_unpacker = msgspec.msgpack.Decoder(list[str])


class RedisMirror:
    """Reads and writes balances in Redis; a greater version wins.

    Args:
        url: Redis.
        names: Gives the keys.
        generation: Which copy of the balances; the current one when not named.
    """

    def __init__(self, url: str, names: Names, *, generation: str = "") -> None:
        self._names = names
        self._generation = generation
        self._client = open_client(url)
        self._reads = SharedReads(_SERVICE, self._fetch, _unpacked, deadline_s=_READ_DEADLINE_S)

    async def close(self) -> None:
        """Closes every connection."""
        await self._client.aclose()

    async def ping(self) -> None:
        """Asks Redis for a sign of life.

        Raises:
            Unavailable: None came in time.
        """
        async with deadline(_READ_DEADLINE_S):
            await self._client.ping()

    async def write_many(self, balances: Iterable[Balance]) -> int:
        """Writes each balance that is newer than the stored one.

        Returns:
            How many were newer.

        Raises:
            Unavailable: Redis did not take them all; writing all again is safe.
        """
        pending = list(balances)
        written = 0
        for start in range(0, len(pending), WRITE_BALANCES_MAX):
            async with deadline(WRITE_DEADLINE_S):
                written += await self._write_page(pending[start : start + WRITE_BALANCES_MAX])
        return written

    async def read(self, account_id: str) -> Balance | None:
        """Reads one account's balance, or None where Redis has none.

        Raises:
            Unavailable: Redis did not answer in time.
        """
        return await self._reads.read(account_id)

    async def read_many(self, account_ids: Sequence[str]) -> list[Balance | None]:
        """Reads balances in the order asked; None where Redis has none.

        Raises:
            Unavailable: Redis did not answer in time.
        """
        found: list[Balance | None] = []
        for start in range(0, len(account_ids), READ_BALANCES_MAX):
            async with deadline(WRITE_DEADLINE_S):
                pipe = self._client.pipeline(transaction=False)
                for account_id in account_ids[start : start + READ_BALANCES_MAX]:
                    pipe.hgetall(self._key(account_id))
                pages = await pipe.execute()
            found.extend(from_fields(fields) if fields else None for fields in pages)
        return found

    async def scan(self) -> AsyncIterator[Balance]:
        """Yields every balance of the namespace, in no order; some twice while keys are moved.

        Raises:
            Unavailable: Redis did not answer in time.
        """
        pattern = escape_glob(self._key("")) + "*"
        prefix = len(self._key(""))
        cursor = 0
        while True:
            async with deadline(WRITE_DEADLINE_S):
                cursor, keys = await self._client.scan(
                    cursor, match=pattern, count=READ_BALANCES_MAX
                )
            for balance in await self.read_many([key.decode()[prefix:] for key in keys]):
                if balance is not None:
                    yield balance
            if cursor == 0:
                return

    def _key(self, account_id: str) -> str:
        return self._names.balance_key(account_id, self._generation)

    async def _fetch(self, account_ids: Sequence[str]) -> dict[str, bytes]:
        keys = [self._key(account_id) for account_id in account_ids]
        async with deadline(_READ_DEADLINE_S):
            try:
                hashes = await self._client.evalsha(_READ_MANY_SHA, len(keys), *keys)
            except NoScriptError:
                await self._client.script_load(_READ_MANY)
                hashes = await self._client.evalsha(_READ_MANY_SHA, len(keys), *keys)
        return dict(zip(account_ids, hashes, strict=True))

    async def _write_page(self, page: Sequence[Balance]) -> int:
        answers = await self._send(page)
        if any(isinstance(answer, NoScriptError) for answer in answers):
            # Redis was restarted. What was applied meanwhile is refused by its version.
            await self._client.script_load(_WRITE_IF_NEWER)
            answers = await self._send(page)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return sum(answers)

    async def _send(self, page: Sequence[Balance]) -> list[Any]:
        pipe = self._client.pipeline(transaction=False)
        for balance in page:
            key = self._key(balance.account_id)
            pipe.evalsha(_WRITE_IF_NEWER_SHA, 1, key, balance.version, _packed(balance))
        answers: list[Any] = await pipe.execute(raise_on_error=False)
        return answers


def to_fields(balance: Balance) -> dict[str, str]:
    """Gives the fields of a balance's hash: numbers as decimal strings, null as nothing."""
    builtins: dict[str, Any] = msgspec.to_builtins(balance)
    fields = {name: _to_text(value) for name, value in builtins.items()}
    fields["available"] = str(balance.available)
    return fields


def from_fields(fields: Mapping[bytes, bytes]) -> Balance:
    """Reads a balance back from its hash.

    Raises:
        Unavailable: The hash is not one of ours: a field is absent or malformed.
    """
    try:
        texts = {name.decode(): value.decode() for name, value in fields.items()}
    except UnicodeDecodeError as error:
        raise _unreadable(error) from error
    return _from_texts(texts)


def _unpacked(packed: bytes) -> Balance:
    try:
        parts = iter(_unpacker.decode(packed))
    except ValueError as error:
        raise _unreadable(error) from error
    return _from_texts(dict(zip(parts, parts, strict=True)))


def _from_texts(texts: Mapping[str, str]) -> Balance:
    try:
        values: dict[str, Any] = {name: text or None for name, text in texts.items()}
        for name in _WHOLE_FIELDS:
            values[name] = None if values[name] is None else int(values[name])
        for name in _JSON_FIELDS:
            values[name] = msgspec.json.decode(values[name])
        return msgspec.convert(values, Balance)
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> Unavailable:
    return Unavailable(_SERVICE, f"a balance's hash cannot be read: {error!r}")


def _packed(balance: Balance) -> bytes:
    return _packer.encode([part for field in to_fields(balance).items() for part in field])


def _to_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int | str):
        return str(value)
    return msgspec.json.encode(value).decode()


def escape_glob(text: str) -> str:
    """Gives a pattern that matches a text as it is."""
    return "".join(
        "\\" + character if character in "*?[]\\" else character for character in text
    )


def open_client(url: str) -> Any:
    """Makes a client; nothing is connected before the first call."""
    return Redis.from_url(
        url,
        protocol=2,
        socket_timeout=WRITE_DEADLINE_S,
        socket_connect_timeout=_READ_DEADLINE_S,
        max_connections=_CONNECTIONS_MAX,
        # A connection that Redis closed while idle is opened again, once.
        retry=Retry(NoBackoff(), 1),
    )


@asynccontextmanager
async def deadline(seconds: float) -> AsyncIterator[None]:
    """Ends what Redis does not answer in time, and gives its errors as `Unavailable`."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise Unavailable(_SERVICE, f"no answer within {seconds:g} s") from error
    except (RedisError, OSError) as error:
        raise Unavailable(_SERVICE, f"{type(error).__name__}: {error}") from error
    except RuntimeError as error:
        # What uvloop, other than asyncio, says of a write after the server's reset.
        if _CLOSED not in str(error):
            raise
        raise Unavailable(_SERVICE, "the connection was reset") from error
