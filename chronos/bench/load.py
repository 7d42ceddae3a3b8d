"""What to send: the plan of one load run, and its requests as ready bytes.

A driver must cost less than what it measures, so a transfer is four joined byte strings, of
which only the idempotency key, the pair and the amount change, and a read is made beforehand.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import msgspec

from chronos.bench.answers import Judge, batch_judge, judge_transfer, read_judge
from chronos.bench.report import BenchFault
from chronos.bench.skew import Skew, pairs

USUAL_ACCOUNTS = 1_000
"""That take part where nothing else is said."""
AMOUNT_LOW, AMOUNT_HIGH = 100, 999


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """Where a part of the connections goes."""

    host: str
    port: int

    @classmethod
    def at(cls, url: str) -> Door:
        """Reads a base address.

        Raises:
            BenchFault: The driver cannot speak to it.
        """
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or parts.path.strip("/"):
            raise BenchFault(
                f"{url} is no address for the load driver, which speaks plain HTTP/1.1 to "
                "http://HOST:PORT: name the process itself, not a proxy before it."
            )
        return cls(host=parts.hostname, port=parts.port or 80)


class Transfers(msgspec.Struct, frozen=True, kw_only=True, tag="transfers"):
    """Transfers between the accounts, for ever.

    Attributes:
        accounts: Who pays and receives; all in `currency`.
        currency: ISO 4217 code.
        skew: Which accounts how often.
        seed: Makes the pairs and amounts; the same seed, the same load.
        run: Makes the idempotency keys of this run its own.
        batch: Transfers in one request to `/v1/batches`; 0: each is a request of its own.
        is_atomic: A batch is done whole or not at all.
    """

    accounts: tuple[str, ...]
    currency: str
    skew: Skew
    seed: int
    run: str
    batch: int = 0
    is_atomic: bool = False


class Reads(msgspec.Struct, frozen=True, kw_only=True, tag="reads"):
    """Reads of paths, in their order, again and again.

    Attributes:
        paths: Of each door its own.
        mark: What a good answer has in its body.
        groups: Latencies are told apart by the place of the path, modulo this.
    """

    paths: tuple[tuple[str, ...], ...]
    mark: str
    groups: int = 1


class LoadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One load run.

    Attributes:
        doors: Who is asked; connections are dealt to them in turn.
        api_key: A key with the scopes that the work needs.
        work: What is asked.
        connections: Kept-alive connections, each with at most one request in flight.
        warm_up_s: Seconds before anything is counted.
        seconds: Seconds that are counted.
        rate: Requests a second, whatever the answers do; None: as fast as answers come.
    """

    doors: tuple[Door, ...]
    api_key: str
    work: Transfers | Reads
    connections: int
    warm_up_s: float
    seconds: float
    rate: float | None = None


Request = tuple[bytes, int]
"""What is sent, and the group that its latency belongs to."""


def requests_for(plan: LoadPlan) -> list[Iterator[Request]]:
    """Gives the requests for each door, without end."""
    work = plan.work
    if isinstance(work, Transfers):
        make = batch_requests if work.batch else transfer_requests
        made = make(plan.doors[0], plan.api_key, work)
        return [zip(made, itertools.repeat(0), strict=False)] * len(plan.doors)
    return [
        _reads(_head("GET", path, door, plan.api_key) + b"\r\n" for path in paths)(work.groups)
        for door, paths in zip(plan.doors, work.paths, strict=True)
    ]


def judge_for(plan: LoadPlan) -> Judge:
    """Gives what tells the worth of an answer."""
    work = plan.work
    if isinstance(work, Reads):
        return read_judge(work.mark)
    return batch_judge(work.batch) if work.batch else judge_transfer


def transfer_requests(door: Door, api_key: str, work: Transfers) -> Iterator[bytes]:
    """Makes requests of one transfer each."""
    head = _post("/v1/transfers", door, api_key, work)
    for number, body in enumerate(_bodies(work, b'{"from":"%b","to":"%b","amount":%d%b')):
        yield b"%b%d\r\nContent-Length: %d\r\n\r\n%b" % (head, number, len(body), body)


def batch_requests(door: Door, api_key: str, work: Transfers) -> Iterator[bytes]:
    """Makes requests of many transfers each."""
    head = _post("/v1/batches", door, api_key, work)
    frame = b'{"atomic":%b,"commands":[%%b]}' % (b"true" if work.is_atomic else b"false")
    items = _bodies(work, b'{"type":"transfer","from":"%b","to":"%b","amount":%d%b')
    for number in itertools.count():
        body = frame % b",".join(itertools.islice(items, work.batch))
        yield b"%b%d\r\nContent-Length: %d\r\n\r\n%b" % (head, number, len(body), body)


def _bodies(work: Transfers, form: bytes) -> Iterator[bytes]:
    chance = random.Random(work.seed)  # noqa: S311 - a load needs repeatable chance, not secrets
    accounts = [name.encode() for name in work.accounts]
    draw, drawn = pairs(work.skew, len(accounts), chance), chance.random
    span = AMOUNT_HIGH - AMOUNT_LOW + 1
    currency = b',"currency":"' + work.currency.encode() + b'"}'
    while True:
        payer, paid = draw()
        amount = AMOUNT_LOW + int(drawn() * span)
        yield form % (accounts[payer], accounts[paid], amount, currency)


def _reads(requests: Iterator[bytes]) -> Callable[[int], Iterator[Request]]:
    made = tuple(requests)
    return lambda groups: itertools.cycle(
        [(request, place % groups) for place, request in enumerate(made)]
    )


def _post(path: str, door: Door, api_key: str, work: Transfers) -> bytes:
    head = _head("POST", path, door, api_key)
    return head + f"Content-Type: application/json\r\nIdempotency-Key: {work.run}-".encode()


def _head(method: str, path: str, door: Door, api_key: str) -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\n"
        f"Host: {door.host}:{door.port}\r\n"
        f"Authorization: Bearer {api_key}\r\n"
    ).encode()
