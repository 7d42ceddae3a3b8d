"""The processes of Chronos itself as children: what each runs with, and when it is ready."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from chronos.embedded.folder import DataFolder
from chronos.embedded.passwords import Passwords
from chronos.embedded.ports import LOOPBACK, Ports, check_free
from chronos.embedded.probes import http_serves
from chronos.embedded.process import Command
from chronos.embedded.supervisor import Plan
from chronos.home import code_folder
from chronos.settings import PREFIX, Settings
from chronos.store import roles

_READY_S = 120.0
# A process is killed only after the time that it may take to finish its work.
_KILL_MARGIN_S = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """How many processes of each kind, and what they have in common."""

    folder: DataFolder
    ports: Ports
    passwords: Passwords
    settings: Settings
    balances: int
    environment: Mapping[str, str]

    def role_settings(self, role: str, password: str, *, slot: int = 0) -> Settings:
        """Gives the settings of a process that signs in to PostgreSQL as `role` alone."""
        dsn = roles.role_dsn(self.settings.postgres_dsn, role, password)
        return dataclasses.replace(self.settings, postgres_dsn=dsn, writer_dsn="", slot=slot)

    def doors(self) -> dict[str, int]:
        """Names every port on which a process of the crew will listen."""
        ports = self.ports
        doors = {"the command API": ports.api, "gRPC": ports.grpc, "the relay": ports.relay}
        doors["the mirror"] = ports.mirror
        doors |= {f"balances worker {n}": ports.balances + n for n in range(self.balances)}
        processes = range(self.settings.api_processes)
        return doors | {f"health of API process {n}": ports.admin + n for n in processes}

    def metrics(self) -> tuple[str, ...]:
        """Gives the URL of every process's metrics."""
        ports = self.ports
        listeners = [ports.admin + n for n in range(self.settings.api_processes)]
        listeners += [ports.relay, *(ports.balances + n for n in range(self.balances))]
        return tuple(f"{url(port)}/metrics" for port in (*listeners, ports.mirror))

    def plans(self) -> tuple[Plan, ...]:
        """Gives all processes in the order of the flow: API, relay, balances, mirror."""
        ports, passwords = self.ports, self.passwords
        api = self.role_settings(roles.WRITER, passwords.writer)
        relay = dataclasses.replace(
            self.role_settings(roles.RELAY, passwords.relay), writer_dsn=api.postgres_dsn
        )
        mirror = self.role_settings(roles.READER, passwords.reader)
        admin = [ports.admin + n for n in range(self.settings.api_processes)]
        plans = [
            self._plan("api", ("api",), api, (ports.api, ports.grpc, *admin), ready=admin),
            self._plan("relay", ("worker", "relay"), relay, (ports.relay,)),
        ]
        for slot in range(self.balances):
            name = "balances" if slot == 0 else f"balances-{slot + 1}"
            settings = self.role_settings(roles.READER, passwords.reader, slot=slot)
            port = ports.balances + slot
            plans.append(self._plan(name, ("worker", "balances"), settings, (port,)))
        plans.append(self._plan("mirror", ("worker", "mirror"), mirror, (ports.mirror,)))
        return tuple(plans)

    def _plan(
        self,
        name: str,
        words: tuple[str, ...],
        settings: Settings,
        ports: tuple[int, ...],
        *,
        ready: list[int] | None = None,
    ) -> Plan:
        command = Command(
            argv=(sys.executable, "-m", "chronos", *words),
            environment=self._variables(settings),
            folder=self.folder.path,
            log=self.folder.log / f"{name}.log",
            stop_s=settings.drain_s + _KILL_MARGIN_S,
        )
        purposes = {port: purpose for purpose, port in self.doors().items()}

        async def prepared() -> Command:
            for port in ports:
                check_free(port, purposes[port])
            return command

        return Plan(
            name=name, command=prepared, probe=_all_ready(ready or list(ports)),
            ready_s=_READY_S, tier=1,
        )  # fmt: skip

    def _variables(self, settings: Settings) -> dict[str, str]:
        kept = {k: v for k, v in self.environment.items() if not k.startswith(PREFIX)}
        # The child's working directory is the data folder; it finds the code by this path.
        return kept | {"PYTHONPATH": str(code_folder())} | settings.to_environment()


def url(port: int) -> str:
    """Gives the URL of a local port, without a trailing slash."""
    return f"http://{LOOPBACK}:{port}"


def _all_ready(ports: list[int]) -> Callable[[], Awaitable[bool]]:
    async def probe() -> bool:
        answers = await asyncio.gather(*(http_serves(f"{url(port)}/readyz") for port in ports))
        return all(answers)

    return probe
