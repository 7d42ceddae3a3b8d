"""The network between processes and servers: a link for each pair, each with its own proxy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Link:
    """One way on which a process reaches a server."""

    process: str
    """api, relay, balances, mirror, or clients."""
    server: str
    """postgres, kafka, redis, elasticsearch; for clients api or balances."""


class Links:
    """All links of a run."""
