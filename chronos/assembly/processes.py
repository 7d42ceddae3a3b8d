"""The processes of Chronos itself as children: what each runs with, and when it is ready."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from chronos.assembly.wiring import PLAIN, Wiring
from chronos.embedded.folder import DataFolder
from chronos.embedded.passwords import Passwords
from chronos.embedded.ports import API_PROCESSES_MAX, LOOPBACK, Ports, check_free
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
    wiring: Wiring = PLAIN

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
        balances = (self.balances_worker(slot) for slot in range(self.balances))
        return (self.api(), self.relay(), *balances, self.mirror())

    def api(self) -> Plan:
        """Plans the command API, all of its processes as one child."""
        ports = self.ports
        admin = [ports.admin + n for n in range(self.settings.api_processes)]
        settings = self.role_settings(roles.WRITER, self.passwords.writer)
        doors = (ports.api, ports.grpc, *admin)
        return self._plan("api", "api", settings, self._purposes(*doors), ready=admin)

    def relay(self, slot: int = 0) -> Plan:
        """Plans a relay worker.

        Further ones listen at the end of the API's block of ports: the port after the first
        one's is the mirror's.
        """
        writer = self.role_settings(roles.WRITER, self.passwords.writer)
        settings = dataclasses.replace(
            self.role_settings(roles.RELAY, self.passwords.relay, slot=slot),
            writer_dsn=writer.postgres_dsn,
        )
        if slot == 0:
            return self._plan("relay", "relay", settings, self._purposes(self.ports.relay))
        port = self.ports.admin + API_PROCESSES_MAX - slot
        settings = dataclasses.replace(settings, relay_port=port - slot)
        name = _numbered("relay", slot)
        return self._plan(name, "relay", settings, {port: f"relay worker {slot}"})

    def balances_worker(self, slot: int = 0) -> Plan:
        """Plans a balances worker."""
        settings = self.role_settings(roles.READER, self.passwords.reader, slot=slot)
        doors = {self.ports.balances + slot: f"balances worker {slot}"}
        return self._plan(_numbered("balances", slot), "balances", settings, doors)

    def mirror(self) -> Plan:
        """Plans the mirror worker."""
        settings = self.role_settings(roles.READER, self.passwords.reader)
        return self._plan("mirror", "mirror", settings, self._purposes(self.ports.mirror))

    def _purposes(self, *ports: int) -> dict[int, str]:
        purposes = {port: purpose for purpose, port in self.doors().items()}
        return {port: purposes[port] for port in ports}

    def _plan(
        self,
        name: str,
        role: str,
        settings: Settings,
        doors: Mapping[int, str],
        *,
        ready: Sequence[int] = (),
    ) -> Plan:
        words = ("api",) if role == "api" else ("worker", role)
        command = Command(
            argv=(*self.wiring.launch(name, role), *words),
            environment=self._variables(self.wiring.wire(role, settings)),
            folder=self.folder.path,
            log=self.folder.log / f"{name}.log",
            stop_s=settings.drain_s + _KILL_MARGIN_S,
        )

        async def prepared() -> Command:
            for port, purpose in doors.items():
                check_free(port, purpose)
            return command

        return Plan(
            name=name, command=prepared, probe=_all_ready(ready or tuple(doors)),
            ready_s=_READY_S, tier=1,
        )  # fmt: skip

    def _variables(self, settings: Settings) -> dict[str, str]:
        kept = {k: v for k, v in self.environment.items() if not k.startswith(PREFIX)}
        # The child's working directory is the data folder; it finds the code by this path.
        return kept | {"PYTHONPATH": str(code_folder())} | settings.to_environment()


def url(port: int) -> str:
    """Gives the URL of a local port, without a trailing slash."""
    return f"http://{LOOPBACK}:{port}"


def _numbered(role: str, slot: int) -> str:
    return role if slot == 0 else f"{role}-{slot + 1}"


def _all_ready(ports: Sequence[int]) -> Callable[[], Awaitable[bool]]:
    async def probe() -> bool:
        answers = await asyncio.gather(*(http_serves(f"{url(port)}/readyz") for port in ports))
        return all(answers)

    return probe
