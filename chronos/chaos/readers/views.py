"""The balances as the query side shows them to anybody who asks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

import aiohttp
import msgspec

from chronos.chaos.readers.facts import Amounts, Copies, Copy

ASKED_AT_ONCE: Final = 8
DEADLINE_S: Final = 10.0
ASKED_AGAIN_MAX: Final = 5
ASKED_AGAIN_S: Final = 1.0
"""A view stands in for the table for the moment in which its workers share the work anew."""


class _Answer(msgspec.Struct):
    account: str
    version: int
    booked: int
    held: int
    available: int
    source: str


_decode = msgspec.json.Decoder(_Answer).decode


async def read_views(query: str, api_key: str, account_ids: Sequence[str]) -> Copies:
    """Asks for each account's balance; what is refused is told among the flaws.

    Raises:
        aiohttp.ClientError: The query side does not answer.
        TimeoutError: Not in time.
    """
    accounts: dict[str, Copy] = {}
    flaws: list[str] = []
    names = iter(account_ids)
    async with aiohttp.ClientSession(
        query,
        timeout=aiohttp.ClientTimeout(total=DEADLINE_S),
        headers={"Authorization": f"Bearer {api_key}"},
    ) as session:

        async def ask(names: Iterator[str]) -> None:
            for name in names:
                found = await _ask(session, name)
                for _ in range(ASKED_AGAIN_MAX):
                    if isinstance(found, str) or not found.is_stand_in:
                        break
                    await asyncio.sleep(ASKED_AGAIN_S)
                    found = await _ask(session, name)
                if isinstance(found, str):
                    flaws.append(f"the view of {name} {found}")
                else:
                    accounts[name] = found

        # They share the iterator: whoever is free takes the next account.
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(ASKED_AT_ONCE):
                    group.create_task(ask(names))
        except* (aiohttp.ClientError, TimeoutError) as troubles:
            # All of them meet the same trouble; one tells of it.
            raise _first(troubles) from None
    return Copies(name="the view", accounts=accounts, flaws=tuple(flaws))


async def _ask(session: aiohttp.ClientSession, name: str) -> Copy | str:
    """Gives an account as it is shown, or says why there is none."""
    async with session.get(f"/v1/accounts/{name}/balance") as response:
        raw = await response.read()
    if response.status != 200:
        return f"answers {response.status}: {raw[:300]!r}"
    try:
        return copy_of(raw)
    except msgspec.MsgspecError as error:
        return f"cannot be read: {error}"


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    one: BaseException = group
    while isinstance(one, BaseExceptionGroup):
        one = one.exceptions[0]
    return one


def copy_of(raw: bytes) -> Copy:
    """Reads one account from an answer.

    Raises:
        msgspec.MsgspecError: It is no balance.
    """
    answer = _decode(raw)
    amounts = Amounts(answer.version, answer.booked, answer.held, answer.available)
    return Copy(amounts=amounts, source=answer.source)
