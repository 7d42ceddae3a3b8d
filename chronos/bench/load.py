"""What to send: the plan of one load run, and its requests as ready bytes.

A driver must cost less than what it measures, so a request is four joined byte strings: the
only parts that change are the idempotency key and the pair of accounts with the amount.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec

AMOUNT_LOW, AMOUNT_HIGH = 100, 999


class LoadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One load run against the command endpoint.

    Attributes:
        host: Where the command endpoint listens.
        port: Its port.
        api_key: A key with the scope `write`.
        accounts: Accounts that pay and receive; all in `currency`.
        currency: ISO 4217 code.
        connections: Kept-alive connections, each with at most one request in flight.
        warm_up_s: Seconds before anything is counted.
        seconds: Seconds that are counted.
        rate: Requests a second, whatever the answers do; None: as fast as answers come.
        seed: Makes the pairs and amounts; the same seed, the same load.
        run: Makes the idempotency keys of this run its own.
    """

    host: str
    port: int
    api_key: str
    accounts: tuple[str, ...]
    currency: str
    connections: int
    warm_up_s: float
    seconds: float
    rate: float | None
    seed: int
    run: str


def transfer_requests(plan: LoadPlan) -> Iterator[bytes]:
    """Makes transfers between random pairs of the plan's accounts, for ever."""
    chance = random.Random(plan.seed)  # noqa: S311 - a load needs repeatable chance, not secrets
    accounts = [name.encode() for name in plan.accounts]
    count, drawn = len(accounts), chance.random
    span = AMOUNT_HIGH - AMOUNT_LOW + 1
    head = _head(plan) + f"Idempotency-Key: {plan.run}-".encode()
    currency = b',"currency":"' + plan.currency.encode() + b'"}'
    number = 0
    while True:
        source = int(drawn() * count)
        other = int(drawn() * (count - 1))
        destination = other if other < source else other + 1
        body = b'{"from":"%b","to":"%b","amount":%d%b' % (
            accounts[source],
            accounts[destination],
            AMOUNT_LOW + int(drawn() * span),
            currency,
        )
        yield b"%b%d\r\nContent-Length: %d\r\n\r\n%b" % (head, number, len(body), body)
        number += 1


def _head(plan: LoadPlan) -> bytes:
    return (
        "POST /v1/transfers HTTP/1.1\r\n"
        f"Host: {plan.host}:{plan.port}\r\n"
        f"Authorization: Bearer {plan.api_key}\r\n"
        "Content-Type: application/json\r\n"
    ).encode()
