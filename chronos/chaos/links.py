"""The network between processes and servers: a link for each pair, each with its own proxy.

All balances workers share the links of `balances`, further relays those of `relay`. Kafka tells
its clients where it is, so it has a listener of its own for each process that reaches it, and
advertises the proxy there. Tools and checkers take the direct addresses.

One block of ports, apart from the pipeline's: the proxies from its beginning, the listeners of
Kafka behind them.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType

from chronos.chaos.proxy import Proxy, Way
from chronos.embedded.kafka import KafkaListener
from chronos.embedded.ports import Ports


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Link:
    """One way on which a process reaches a server."""

    process: str
    """api, relay, balances, mirror, or clients."""
    server: str
    """postgres, kafka, redis, elasticsearch; for clients api or balances."""

    def __str__(self) -> str:
        return f"{self.process} to {self.server}"


ALL_LINKS = (
    Link(process="api", server="postgres"),
    Link(process="relay", server="postgres"),
    Link(process="relay", server="kafka"),
    Link(process="balances", server="postgres"),
    Link(process="balances", server="kafka"),
    Link(process="balances", server="redis"),
    Link(process="balances", server="elasticsearch"),
    Link(process="mirror", server="postgres"),
    Link(process="mirror", server="kafka"),
    Link(process="mirror", server="elasticsearch"),
    Link(process="clients", server="api"),
    Link(process="clients", server="balances"),
)
_LISTENERS_AT = 20


class Links:
    """All links of a run; an asynchronous context manager that runs their proxies.

    Args:
        base: First port of the free block that they take.
        ports: The pipeline's ports.
    """

    def __init__(self, base: int, ports: Ports):
        self._listeners: dict[Link, KafkaListener] = {}
        self._proxies: dict[Link, Proxy] = {}
        for n, link in enumerate(ALL_LINKS):
            target_port = _port_of(link.server, ports)
            if link.server == "kafka":
                listener = KafkaListener(
                    name=link.process.upper(),
                    port=base + _LISTENERS_AT + n,
                    advertised_port=base + n,
                )
                self._listeners[link] = listener
                target_port = listener.port
            self._proxies[link] = Proxy(str(link), port=base + n, target_port=target_port)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Links:
        """Begins to listen on every link.

        Raises:
            OSError: A port is taken.
        """
        try:
            for proxy in self._proxies.values():
                await self._stack.enter_async_context(proxy)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Breaks every connection."""
        await self._stack.aclose()

    @property
    def kafka_listeners(self) -> tuple[KafkaListener, ...]:
        """Gives the listeners that Kafka needs for its links."""
        return tuple(self._listeners.values())

    @property
    def ports(self) -> dict[tuple[str, str], int]:
        """Gives the port of every link, by process and server."""
        return {(link.process, link.server): p.port for link, p in self._proxies.items()}

    def proxy(self, process: str, server: str) -> Proxy:
        """Gives the proxy of one link.

        Raises:
            KeyError: There is no such link.
        """
        return self._proxies[Link(process=process, server=server)]

    def at(self, name: str) -> tuple[Link, ...]:
        """Gives every link of a process or server, at whichever end it is."""
        return tuple(link for link in self._proxies if name in (link.process, link.server))

    def cut(self, name: str, *ways: Way) -> tuple[Link, ...]:
        """Cuts a process or server off from everybody, in silence; gives the links."""
        links = self.at(name)
        for link in links:
            self._proxies[link].cut(*ways)
        return links

    async def heal(self, name: str) -> None:
        """Heals every link of a process or server."""
        for link in self.at(name):
            await self._proxies[link].heal()

    async def heal_all(self) -> None:
        """Heals every link."""
        for proxy in self._proxies.values():
            await proxy.heal()


def _port_of(server: str, ports: Ports) -> int:
    return {
        "postgres": ports.postgres,
        "kafka": ports.kafka,
        "redis": ports.redis,
        "elasticsearch": ports.elasticsearch,
        "api": ports.api,
        "balances": ports.balances,
    }[server]
