"""Where the parts of one instance are, for those who look at it from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chronos.embedded.addresses import read_addresses
from chronos.embedded.folder import DataFolder
from chronos.errors import MissingPart
from chronos.wire.topics import Names


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessAddress:
    """One process of Chronos and where its health and metrics are."""

    name: str
    url: str
    """Without a trailing slash and without `/metrics`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One instance."""

    data: Path | None
    """Its data folder, when it has one on this machine."""
    names: Names
    command: str
    """The command API; URLs have no trailing slash."""
    queries: tuple[str, ...]
    """The balances workers, of which each answers for its own table."""
    grpc: str
    """host:port, or empty where it is not known."""
    api_key: str = field(repr=False)
    processes: tuple[ProcessAddress, ...]
    postgres_dsn: str = field(repr=False)
    kafka: str
    redis_url: str = field(repr=False)
    elasticsearch_url: str
    partitions: int
    relay_shards: int
    pids: Mapping[str, int]
    """Process ids on this machine by the names that the supervisor gives; none elsewhere."""

    def pids_now(self) -> Mapping[str, int]:
        """Gives the process ids as of the last restart of each."""
        if self.data is None:
            return self.pids
        try:
            return read_addresses(DataFolder(self.data).addresses).pids
        except MissingPart:
            return {}  # The instance has been stopped.


def named_processes(metrics: tuple[str, ...], query: str) -> tuple[ProcessAddress, ...]:
    """Names the processes behind the URLs of metrics, in the order in which `up` writes them.

    That is: those of the API, the relay, the balances workers of which `query` is the first,
    the mirror. Others, and URLs in another order, are named by their place.
    """
    urls = tuple(url.removesuffix("/metrics") for url in metrics)
    if query not in urls or urls.index(query) < 1 or urls[-1] == query:
        return tuple(
            ProcessAddress(name=f"process-{number}", url=url) for number, url in enumerate(urls)
        )
    first = urls.index(query)
    names = [f"api-{number}" for number in range(first - 1)]
    names += ["relay", "balances"]
    names += [f"balances-{number}" for number in range(2, len(urls) - first)]
    names += ["mirror"]
    return tuple(
        ProcessAddress(name=name, url=url) for name, url in zip(names, urls, strict=True)
    )
