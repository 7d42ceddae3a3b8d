"""How the processes of a pipeline are launched, and on which ways they reach the servers.

By default each goes straight to the servers and is `python -m chronos`. Whoever wants to stand
in between, or to bring a child up in another way, gives the pipeline a wiring of his own; no
setting of a process can do so.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from chronos.embedded.kafka import KafkaListener
from chronos.settings import Settings

PLAIN_LAUNCH = (sys.executable, "-m", "chronos")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """Who takes another way than the straight one.

    Roles are api, relay, balances and mirror; servers are postgres, kafka, redis and
    elasticsearch.
    """

    ports: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By role and server: the local port at which that role finds that server."""
    kafka_listeners: tuple[KafkaListener, ...] = ()
    """Further listeners of Kafka: a port in `ports` for Kafka must be advertised by one."""
    launches: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By process or, for all processes of it, by role: what stands before `worker relay`."""

    def launch(self, process: str, role: str) -> tuple[str, ...]:
        """Gives the program and its first arguments that bring a process up."""
        return self.launches.get(process) or self.launches.get(role) or PLAIN_LAUNCH

    def wire(self, role: str, settings: Settings) -> Settings:
        """Gives the settings with the addresses that a process of the role is to use."""
        if not self.ports:
            return settings
        return dataclasses.replace(
            settings,
            postgres_dsn=self._way(role, "postgres", settings.postgres_dsn),
            writer_dsn=self._way(role, "postgres", settings.writer_dsn),
            kafka=self._way(role, "kafka", settings.kafka),
            redis_url=self._way(role, "redis", settings.redis_url),
            elasticsearch_url=self._way(role, "elasticsearch", settings.elasticsearch_url),
        )

    def _way(self, role: str, server: str, address: str) -> str:
        port = self.ports.get((role, server))
        return address if port is None or not address else at_port(address, port)


def at_port(address: str, port: int) -> str:
    """Gives the same address, a URL or host:port, with another port."""
    if "://" not in address:
        return f"{address.rpartition(':')[0]}:{port}"
    parts = urlsplit(address)
    credentials, at, host = parts.netloc.rpartition("@")
    name = host.partition(":")[0]
    return parts._replace(netloc=f"{credentials}{at}{name}:{port}").geturl()


PLAIN = Wiring()
