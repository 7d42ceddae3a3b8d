"""The balances in Redis, as they lie there: one hash per account."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from redis.asyncio import Redis

from chronos.chaos.readers.facts import Amounts, Copies, Copy

KEYS_PER_TRIP: Final = 500
DEADLINE_S: Final = 10.0


async def read_balances(url: str, namespace: str, account_ids: Sequence[str]) -> Copies:
    """Reads the hash of each account; one that is absent is left out.

    Raises:
        RedisError: Redis does not answer.
        TimeoutError: Not in time.
    """
    client = Redis.from_url(url, protocol=2, socket_timeout=DEADLINE_S)
    accounts: dict[str, Copy] = {}
    flaws: list[str] = []
    try:
        for start in range(0, len(account_ids), KEYS_PER_TRIP):
            names = account_ids[start : start + KEYS_PER_TRIP]
            pipe = client.pipeline(transaction=False)
            for name in names:
                pipe.hgetall(f"{namespace}:balance:{name}")
            async with asyncio.timeout(DEADLINE_S):
                found = await pipe.execute()
            for name, fields in zip(names, found, strict=True):
                if fields:
                    _take(name, fields, accounts, flaws)
    finally:
        await client.aclose()
    return Copies(name="Redis", accounts=accounts, flaws=tuple(flaws))


def _take(
    name: str, fields: Mapping[bytes, bytes], accounts: dict[str, Copy], flaws: list[str]
) -> None:
    try:
        accounts[name] = copy_of(fields)
    except (KeyError, ValueError) as error:
        flaws.append(f"the hash of {name} cannot be read: {error!r} in {dict(fields)}")


def copy_of(fields: Mapping[bytes, bytes]) -> Copy:
    """Reads one account from its hash.

    Raises:
        KeyError: A field is absent.
        ValueError: A number is none.
    """
    version, booked, held, available = (
        int(fields[name]) for name in (b"version", b"booked", b"held", b"available")
    )
    return Copy(
        amounts=Amounts(version, booked, held, available),
        hash=bytes.fromhex(fields[b"hash"].decode()),
        event_id=bytes.fromhex(fields[b"event_id"].decode().replace("-", "")),
    )
