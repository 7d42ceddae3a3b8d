"""The ports of one data folder: chosen once, kept there, the same after every restart.

With a base P everything lies in one block, so that a firewall or a second instance is easy to
set up: P command API, P+1 gRPC, P+2 relay, P+3 mirror, P+4 PostgreSQL, P+5 Kafka, P+6 Kafka's
controller, P+7 Redis, P+8 Elasticsearch, P+9 its transport, P+10 … P+39 the balances workers,
P+40 … P+99 health and metrics of the API's processes. Without a base the processes of Chronos
take their well-known ports and the servers a free block.
"""

from __future__ import annotations

import dataclasses
import json
import random
import socket
from dataclasses import dataclass
from pathlib import Path

from chronos.embedded.files import write_atomically
from chronos.errors import EmbeddedFault, SettingFault

BLOCK_SIZE = 100
BALANCES_MAX = 30
API_PROCESSES_MAX = 60
# Below the range from which systems take the ports of outgoing connections.
_LOW, _HIGH = 15_000, 31_000
_TRIES_MAX = 200
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """One port for each listener; workers and API processes add their number to theirs."""

    api: int
    grpc: int
    relay: int
    mirror: int
    balances: int
    admin: int
    postgres: int
    kafka: int
    kafka_controller: int
    redis: int
    elasticsearch: int
    elasticsearch_transport: int

    @classmethod
    def at(cls, base: int) -> Ports:
        """Lays out a whole block of ports from `base` on."""
        return cls(
            api=base,
            grpc=base + 1,
            relay=base + 2,
            mirror=base + 3,
            postgres=base + 4,
            kafka=base + 5,
            kafka_controller=base + 6,
            redis=base + 7,
            elasticsearch=base + 8,
            elasticsearch_transport=base + 9,
            balances=base + 10,
            admin=base + 40,
        )

    def with_known_doors(self) -> Ports:
        """Gives the same ports of the servers, with Chronos's own at their well-known ones."""
        return dataclasses.replace(
            self, api=8080, grpc=50051, relay=6266, mirror=6166, balances=6066, admin=8090
        )


def choose_ports(kept: Path, base: int | None) -> Ports:
    """Gives the ports of a data folder and keeps them in the file `kept`.

    Args:
        kept: The file of an earlier choice; it wins unless a base is asked for.
        base: First port of the block; 0 takes the kept ports or any free block; None takes
            the kept ports or the well-known ones.

    Raises:
        SettingFault: The base leaves no room for the block.
        EmbeddedFault: The file cannot be understood, or no block of ports is free.
    """
    if not base and kept.exists():
        return _read(kept)
    if base:
        if not 1024 <= base <= 65_535 - BLOCK_SIZE:
            raise SettingFault("--port", f"is {base}; it takes 0 or 1024 to 65435")
        ports = Ports.at(base)
    else:
        ports = Ports.at(free_block())
        if base is None:
            ports = ports.with_known_doors()
    write_atomically(kept, json.dumps(dataclasses.asdict(ports), indent=2) + "\n", mode=0o644)
    return ports


def check_free(port: int, purpose: str) -> None:
    """Refuses a port on which another program listens.

    Raises:
        EmbeddedFault: It is taken; the sentence names a base that is free.
    """
    if not is_free(port):
        raise EmbeddedFault(
            f"Port {port} ({purpose}) is in use by another program: stop that program, or "
            f"choose a block of free ports, for example --port {free_block()}."
        )


def is_free(port: int) -> bool:
    """Tells whether a server could listen on a loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # A port that only waits for its last packets can be taken, one with a listener not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_block() -> int:
    """Finds the first port of a block in which nobody listens on the first ports used.

    Raises:
        EmbeddedFault: None was found.
    """
    used = (*range(12), 40, 41)
    for _ in range(_TRIES_MAX):
        base = random.randrange(_LOW, _HIGH, BLOCK_SIZE)  # noqa: S311 - not a secret
        if all(is_free(base + offset) for offset in used):
            return base
    raise EmbeddedFault(
        f"No block of free ports was found between {_LOW} and {_HIGH}: stop programs that "
        "listen there, or choose ports yourself with --port."
    )


def _read(kept: Path) -> Ports:
    try:
        return Ports(**json.loads(kept.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise EmbeddedFault(
            f"{kept} does not hold the ports of a data folder ({error}): remove that file and "
            "start again; new ports are chosen then."
        ) from error
