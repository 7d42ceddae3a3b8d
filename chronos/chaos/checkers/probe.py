"""Fifty requests at once with one key: exactly one of them is executed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import aiohttp

from chronos.chaos.bank import BankAccount
from chronos.chaos.readers.facts import Event
from chronos.embedded.addresses import Addresses

REQUESTS: Final = 50
DEADLINE_S: Final = 20.0
CREATED: Final = 201


async def post_at_once(
    addresses: Addresses, key: str, bank: Sequence[BankAccount]
) -> list[str]:
    """Sends one transfer fifty times at once and tells what the answers have wrong.

    The money goes from one settlement account to an account of its currency, which is always
    granted. The transfer has the key as its id.
    """
    body = request_body(key, bank)
    headers = {"Authorization": f"Bearer {addresses.api_key}", "Idempotency-Key": key}
    connector = aiohttp.TCPConnector(limit=REQUESTS)
    async with aiohttp.ClientSession(
        addresses.api,
        connector=connector,
        headers=headers,
        timeout=aiohttp.ClientTimeout(total=DEADLINE_S),
    ) as session:

        async def post() -> tuple[int, bytes, str, bool]:
            async with session.post("/v1/transfers", json=body) as response:
                raw = await response.read()
                replayed = response.headers.get("Idempotent-Replayed") == "true"
                return response.status, raw, response.headers.get("Location", ""), replayed

        answers = await asyncio.gather(*(post() for _ in range(REQUESTS)))
    return judge(answers)


def request_body(key: str, bank: Sequence[BankAccount]) -> dict[str, Any]:
    """Gives the transfer that is sent."""
    source = next(one for one in bank if one.overdraft_limit is None)
    destination = next(
        one for one in bank if one is not source and one.currency == source.currency
    )
    return {
        "id": key,
        "from": source.account_id,
        "to": destination.account_id,
        "amount": 1,
        "currency": source.currency,
    }


def judge(answers: Sequence[tuple[int, bytes, str, bool]]) -> list[str]:
    """Tells what is wrong with the answers: status, body, location and mark of each."""
    wrong: list[str] = []
    granted = [answer for answer in answers if answer[0] == CREATED]
    executed = sum(not replayed for *_, replayed in granted)
    if executed != 1:
        wrong.append(f"of {len(answers)} requests at once {executed} were executed, not one")
    if len({answer[:3] for answer in granted}) > 1:
        wrong.append("requests at once with one key got different answers")
    others = Counter(
        status
        for status, raw, *_ in answers
        if status != CREATED and not (status == 409 and b'"idempotency_in_progress"' in raw)
    )
    for status, count in others.items():
        wrong.append(f"{count} of {len(answers)} requests at once were answered with {status}")
    return wrong


def judge_events(key: str, events: Sequence[Event]) -> list[str]:
    """Tells what is wrong with what the payer's account has of the transfer."""
    count = sum(event.key == key for event in events)
    if count == 1:
        return []
    return [f"{REQUESTS} requests at once with one key left {count} events on the payer"]
