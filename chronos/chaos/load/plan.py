"""What a driver is told: where to, how many clients, by which seed."""

from __future__ import annotations

import msgspec


class LoadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The load of one run.

    Attributes:
        seed: Makes every choice; the same seed and the same answers, the same operations.
        clients: How many send at once, each on a connection of its own.
        command: URL of the command endpoint, without a trailing slash.
        query: URL of the query side.
        postgres_dsn: Where snapshots are read: the primary.
        api_key: A key with the scopes `read` and `write`.
        history: The file to write.
        rate_max: Operations a second that all clients together begin at most; None: as fast
            as answers come.
    """

    seed: int
    clients: int
    command: str
    query: str
    postgres_dsn: str
    api_key: str
    history: str
    rate_max: float | None = None


class Said(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A line of the driver's standard output."""


class Opened(Said, frozen=True, kw_only=True):
    """The bank is open and its accounts are funded; the load begins."""

    at_ns: int
    """On the history's clock."""


class Ended(Said, frozen=True, kw_only=True):
    """Every client has ended its last operation, and the history is written."""

    at_ns: int


class Failed(Said, frozen=True, kw_only=True):
    """There can be no load."""

    reason: str


Word = Opened | Ended | Failed
