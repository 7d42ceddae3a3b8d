"""Has a new copy of the balances in Redis take over, key by key, while it is read and written.

Three generations of an account's hash: the one that a rebuild fills (`{ns}:balance-new:{id}`),
the current one, which everybody reads and the workers write (`{ns}:balance:{id}`), and the one
that was replaced (`{ns}:balance-old:{id}`), kept until somebody drops it. One script moves one
account in one step: no reader finds it missing, and what a worker wrote meanwhile stays when it
is newer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from chronos.mirror.redis import WRITE_DEADLINE_S, deadline, escape_glob, open_client
from chronos.wire.topics import Names

NEW = "-new"
OLD = "-old"
KEYS_PER_PAGE = 500

# KEYS[1] the current hash, [2] the new, [3] the old one. ARGV[1] a version of the current hash
# that the journal does not have, or nothing. A current hash without a readable version is no
# balance, whatever it is.
_SWITCH = """
local new = redis.call('HGET', KEYS[2], 'version')
if not new then
  return 0
end
if redis.call('EXISTS', KEYS[1]) == 1 then
  local current = false
  if redis.call('TYPE', KEYS[1]).ok == 'hash' then
    current = redis.call('HGET', KEYS[1], 'version')
  end
  local number = current and tonumber(current)
  if number and number > tonumber(new) and current ~= ARGV[1] then
    redis.call('DEL', KEYS[2])
    return 0
  end
  redis.call('RENAME', KEYS[1], KEYS[3])
end
redis.call('RENAME', KEYS[2], KEYS[1])
return 1
"""

# KEYS[1] the current key, [2] the old one; several may take an account away, one does.
_SET_ASIDE = """
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('RENAME', KEYS[1], KEYS[2])
return 1
"""


class BalanceSwitch:
    """Moves generations of balances; every method raises `Unavailable` without an answer."""

    def __init__(self, url: str, names: Names) -> None:
        self._names = names
        self._client = open_client(url)

    async def close(self) -> None:
        """Closes every connection."""
        await self._client.aclose()

    async def is_under_way(self) -> bool:
        """Tells whether a proved new generation is taking over."""
        async with deadline(WRITE_DEADLINE_S):
            return bool(await self._client.exists(self._names.rebuild_key))

    async def begin(self) -> None:
        """Notes that the new generation is proved and takes over from now on."""
        async with deadline(WRITE_DEADLINE_S):
            await self._client.set(self._names.rebuild_key, "taking over")

    async def end(self) -> None:
        """Notes that it has taken over."""
        async with deadline(WRITE_DEADLINE_S):
            await self._client.delete(self._names.rebuild_key)

    async def with_new(self, account_ids: Sequence[str]) -> list[str]:
        """Gives those of the named accounts that have a new hash, in the order asked."""
        async with deadline(WRITE_DEADLINE_S):
            pipe = self._client.pipeline(transaction=False)
            for account_id in account_ids:
                pipe.exists(self._key(account_id, NEW))
            answers = await pipe.execute()
        return [name for name, there in zip(account_ids, answers, strict=True) if there]

    async def current_versions(self, account_ids: Sequence[str]) -> dict[str, str]:
        """Gives the version that each current hash claims, as its text; whatever it may be."""
        async with deadline(WRITE_DEADLINE_S):
            pipe = self._client.pipeline(transaction=False)
            for account_id in account_ids:
                pipe.hget(self._key(account_id), "version")
            answers = await pipe.execute(raise_on_error=False)
        return {
            name: _text(answer)
            for name, answer in zip(account_ids, answers, strict=True)
            if isinstance(answer, bytes)
        }

    async def switch(self, account_ids: Sequence[str], unfounded: Mapping[str, str]) -> int:
        """Has the new hash of each account take over, unless the current one is newer.

        Args:
            account_ids: The accounts.
            unfounded: Versions of current hashes that the journal does not have.

        Returns:
            How many took over.
        """
        async with deadline(WRITE_DEADLINE_S):
            pipe = self._client.pipeline(transaction=False)
            for account_id in account_ids:
                keys = [self._key(account_id, g) for g in ("", NEW, OLD)]
                pipe.eval(_SWITCH, 3, *keys, _bytes(unfounded.get(account_id, "")))
            return sum(await pipe.execute())

    async def set_aside(self, account_ids: Sequence[str]) -> int:
        """Moves current hashes to the old generation; gives how many were there."""
        async with deadline(WRITE_DEADLINE_S):
            pipe = self._client.pipeline(transaction=False)
            for account_id in account_ids:
                keys = [self._key(account_id, g) for g in ("", OLD)]
                pipe.eval(_SET_ASIDE, 2, *keys)
            return sum(await pipe.execute())

    async def account_ids(self, generation: str = "") -> AsyncIterator[list[str]]:
        """Yields pages of the accounts in a generation, some twice while keys are moved."""
        head = self._names.balance_key("", generation)
        cursor = 0
        while True:
            async with deadline(WRITE_DEADLINE_S):
                cursor, keys = await self._client.scan(
                    cursor, match=escape_glob(head) + "*", count=KEYS_PER_PAGE
                )
            if keys:
                yield [_text(key)[len(head) :] for key in keys]
            if cursor == 0:
                return

    def _key(self, account_id: str, generation: str = "") -> bytes:
        return _bytes(self._names.balance_key(account_id, generation))

    async def delete(self, generation: str) -> int:
        """Deletes a whole generation beside the current one; gives how many hashes it had."""
        deleted = 0
        async for names in self.account_ids(generation):
            keys = [self._key(name, generation) for name in names]
            async with deadline(WRITE_DEADLINE_S):
                deleted += await self._client.unlink(*keys)
        return deleted


def _text(raw: bytes) -> str:
    """Reads what anybody may have written, so that it can be written back as it was."""
    return raw.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
