"""Accounts and history in Elasticsearch, by plain requests of its own REST interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import aiohttp

from chronos.chaos.readers.facts import Amounts, Copies, Copy, Entries

ACCOUNTS_PER_TRIP: Final = 500
ENTRIES_PER_PAGE: Final = 5_000
DEADLINE_S: Final = 60.0


async def read_accounts(url: str, namespace: str, account_ids: Sequence[str]) -> Copies:
    """Reads each account's document; one that is absent is left out.

    Raises:
        aiohttp.ClientError: Elasticsearch does not answer, or refuses.
        TimeoutError: Not in time.
    """
    accounts: dict[str, Copy] = {}
    flaws: list[str] = []
    async with _session(url) as session:
        for start in range(0, len(account_ids), ACCOUNTS_PER_TRIP):
            names = account_ids[start : start + ACCOUNTS_PER_TRIP]
            answer = await _post(session, f"/{namespace}-accounts/_mget", {"ids": list(names)})
            for document in answer["docs"]:
                _take(document, accounts, flaws)
    return Copies(name="Elasticsearch", accounts=accounts, flaws=tuple(flaws))


async def count_entries(url: str, namespace: str) -> int:
    """Counts the documents of the history that a search sees now.

    Raises:
        aiohttp.ClientError: Elasticsearch does not answer, or refuses.
        TimeoutError: Not in time.
    """
    async with _session(url) as session:
        answer = await _post(session, f"/{namespace}-entries/_count", None)
    return int(answer["count"])


async def read_entries(url: str, namespace: str) -> Entries:
    """Counts the documents of the history and reads the ids of all, by pages.

    Raises:
        aiohttp.ClientError: Elasticsearch does not answer, or refuses.
        TimeoutError: Not in time.
    """
    found: set[bytes] = set()
    async with _session(url) as session:
        await _post(session, f"/{namespace}-entries/_refresh", None)
        counted = await _post(session, f"/{namespace}-entries/_count", None)
        after: list[Any] | None = None
        while True:
            request: dict[str, Any] = {
                "size": ENTRIES_PER_PAGE,
                "_source": False,
                "sort": [{"position": "asc"}],
                "track_total_hits": False,
            }
            if after is not None:
                request["search_after"] = after
            answer = await _post(session, f"/{namespace}-entries/_search", request)
            hits = answer["hits"]["hits"]
            found.update(bytes.fromhex(hit["_id"].replace("-", "")) for hit in hits)
            if len(hits) < ENTRIES_PER_PAGE:
                break
            after = hits[-1]["sort"]
    return Entries(counted=int(counted["count"]), event_ids=frozenset(found))


def _take(document: Mapping[str, Any], accounts: dict[str, Copy], flaws: list[str]) -> None:
    if not document.get("found"):
        return
    name = document["_id"]
    try:
        accounts[name] = copy_of(document["_source"])
    except (KeyError, TypeError, ValueError) as error:
        flaws.append(f"the document of {name} cannot be read: {error!r}")


def copy_of(source: Mapping[str, Any]) -> Copy:
    """Reads one account from its document.

    Raises:
        KeyError: A member is absent.
        TypeError: A number is not a whole one.
        ValueError: A hash or an id is none.
    """
    numbers = [source[name] for name in ("version", "booked", "held", "available")]
    if any(type(number) is not int for number in numbers):
        raise TypeError(f"not whole numbers: {numbers}")
    return Copy(
        amounts=Amounts(*numbers),
        hash=bytes.fromhex(source["hash"]),
        event_id=bytes.fromhex(source["event_id"].replace("-", "")),
    )


def _session(url: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        url, timeout=aiohttp.ClientTimeout(total=DEADLINE_S), raise_for_status=True
    )


async def _post(session: aiohttp.ClientSession, path: str, body: object) -> dict[str, Any]:
    async with session.post(path, json=body) as response:
        answer: dict[str, Any] = await response.json()
        return answer
