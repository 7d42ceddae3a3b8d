"""T0: unsafe settings, on which no process may start that could rely on them.

Each is set on the run's own PostgreSQL before the load, further processes are started on ports
and folders of their own, and each must end within `REFUSED_WITHIN_S`, exit code 78, and name
the setting as its last word. The processes of the pipeline run on meanwhile: what they proved
at their start is proved again once the setting is taken back.

Who relies on what: all of Chronos on `fsync` and `full_page_writes`, for all of it believes the
journal; whoever writes it, the API and the relay with its expiry of holds, on
`synchronous_commit` and on a role that cannot rewrite it. The acknowledgement of records by
Kafka is no setting: a variable that would weaken it is unknown, and as such refused.
"""

from __future__ import annotations

import asyncio
import dataclasses
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic

from chronos.assembly.processes import Crew
from chronos.chaos.fault import Fault, FaultFailed, Phase
from chronos.chaos.faults import promise
from chronos.chaos.faults.promise import Shape
from chronos.chaos.scene import Scene
from chronos.chaos.wounds import SLACK, Wounds
from chronos.embedded import process as processes
from chronos.embedded.folder import DataFolder
from chronos.embedded.ports import Ports, free_block
from chronos.embedded.process import Command
from chronos.embedded.supervisor import Plan
from chronos.embedded.verdicts import EXIT_UNSAFE_SETTING, last_sentence

REFUSED_WITHIN_S = 10.0
CHANGED_WITHIN_S = 5.0
_LINES = 30
EVERYBODY = ("api", "relay", "balances", "mirror")
WRITERS = ("api", "relay")


def unsafe_settings(wounds: Wounds) -> tuple[Fault, ...]:
    """Gives the faults of this module."""
    tried_by = {
        "fsync": EVERYBODY,
        # By the same line as fsync, and two processes less to start.
        "full_page_writes": WRITERS,
        "synchronous_commit": WRITERS,
    }
    settings = [
        UnsafeSettingOn(
            kind="T0",
            name=f"PostgreSQL has {setting} off",
            hits=frozenset({"postgres"}),
            wounds=wounds,
            phase=Phase.BEFORE,
            setting=setting,
            refusing=refusing,
        )
        for setting, refusing in tried_by.items()
    ]
    return (
        *settings,
        WriterOwns(
            kind="T0",
            name="the writer's role owns the journal",
            hits=frozenset({"postgres"}),
            wounds=wounds,
            phase=Phase.BEFORE,
        ),
        FewerAcknowledgements(
            kind="T0",
            name="fewer acknowledgements of Kafka are asked for",
            hits=frozenset(),
            wounds=wounds,
            phase=Phase.BEFORE,
        ),
    )


@dataclass(slots=True, kw_only=True)
class UnsafeSettingOn(Shape):
    """A setting of PostgreSQL is off that a crash would make matter."""

    setting: str
    refusing: tuple[str, ...]

    async def inject(self, scene: Scene) -> str:
        """Turns it off, and tries to start one process of each role that relies on it."""
        await promise.primary(scene).change_setting(self.setting, "off")
        await self._until_it_is(scene, "off")
        return await refused(scene, self.refusing, naming=self.setting)

    async def heal(self, scene: Scene) -> str:
        """Takes it back, and proves that new sessions have it on."""
        await self.wounds.seen(lambda: promise.primary(scene).reset_setting(self.setting))
        await self._until_it_is(scene, "on")
        return "on again"

    async def _until_it_is(self, scene: Scene, value: str) -> None:
        async def is_so() -> bool:
            return await promise.primary(scene).setting(self.setting) == value

        await self.wounds.until(
            is_so,
            within=CHANGED_WITHIN_S * SLACK,
            failure=lambda: f"PostgreSQL's {self.setting} is not {value}.",
        )


@dataclass(slots=True, kw_only=True)
class WriterOwns(Shape):
    """The role that writes the journal could switch its triggers off and rewrite it.

    It is made a member of the owner, which gives it all rights of one, and is taken back
    without a trace; to change the owner of a table and back would lose granted rights.
    """

    async def inject(self, scene: Scene) -> str:
        """Makes it an owner, and tries to start whoever signs in by it."""
        await promise.primary(scene).let_writer_own()
        return await refused(scene, WRITERS, naming="its role owns")

    async def heal(self, scene: Scene) -> str:
        """Takes that back, and proves it."""
        primary = promise.primary(scene)
        await self.wounds.seen(primary.let_writer_own_nothing)
        if await self.wounds.seen(primary.writer_owns):
            raise FaultFailed("The writer's role still owns the journal.")
        return "owns nothing again"


@dataclass(slots=True, kw_only=True)
class FewerAcknowledgements(Shape):
    """Somebody wants records acknowledged by one broker alone, as `acks=1` does."""

    async def inject(self, scene: Scene) -> str:
        """Tries to start whoever writes to Kafka with the variable that would say so."""
        variable = "CHRONOS_PRODUCER_ACKS"
        return await refused(
            scene, ("relay", "balances"), naming=variable, variables={variable: "1"}
        )

    async def heal(self, scene: Scene) -> str:  # noqa: ARG002 - the shape of a fault
        """Has nothing to take back."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """How a process of a role ended; `code` None: it ran on."""

    role: str
    code: int | None
    said: str
    took_s: float

    def __str__(self) -> str:
        how = "ran on" if self.code is None else f"ended with exit code {self.code}"
        return f"{self.role} {how} after {self.took_s:.1f} s; it said: {self.said}"


async def refused(
    scene: Scene,
    roles: tuple[str, ...],
    *,
    naming: str,
    variables: dict[str, str] | None = None,
) -> str:
    """Starts a process of each role beside those that run, and sees it refuse.

    Raises:
        FaultFailed: One runs on, ends otherwise, or does not name the setting.
    """
    crew = await _crew_apart(scene)
    async with asyncio.TaskGroup() as tasks:
        ends = [tasks.create_task(_end(crew, role, variables or {})) for role in roles]
    for end in (task.result() for task in ends):
        if end.code != EXIT_UNSAFE_SETTING or naming not in end.said:
            raise FaultFailed(
                f"Exit code {EXIT_UNSAFE_SETTING} and the name of an unsafe setting "
                f"({naming}) were due, and {end}"
            )
    told = (f"{task.result().role} after {task.result().took_s:.1f} s" for task in ends)
    return f"refused by {', '.join(told)}"


async def _end(crew: Crew, role: str, variables: dict[str, str]) -> _End:
    command = await _plan(crew, role).command()
    command = dataclasses.replace(command, environment={**command.environment, **variables})
    began_s = monotonic()
    async with _running(command) as process:
        code = await _code(process)
    return _End(
        role=role,
        code=code,
        said=last_sentence(processes.tail(command.log, _LINES)),
        took_s=monotonic() - began_s,
    )


@asynccontextmanager
async def _running(command: Command) -> AsyncIterator[Process]:
    process = await processes.spawn(command)
    try:
        yield process
    finally:
        await processes.stop(process, command)


async def _code(process: Process) -> int | None:
    try:
        async with asyncio.timeout(REFUSED_WITHIN_S * SLACK):
            return await process.wait()
    except TimeoutError:
        return None


async def _crew_apart(scene: Scene) -> Crew:
    """Gives a crew with doors and folders that nobody else has."""
    crew, ports = scene.pipeline.crew, Ports.at(free_block())
    folder = DataFolder(scene.folder / "unsafe")
    await asyncio.to_thread(_make, folder)
    settings = dataclasses.replace(
        crew.settings,
        state_dir=folder.state,
        api_port=ports.api,
        admin_port=ports.admin,
        grpc_port=ports.grpc,
        relay_port=ports.relay,
        balances_port=ports.balances,
        mirror_port=ports.mirror,
    )
    return dataclasses.replace(crew, folder=folder, ports=ports, settings=settings)


def _plan(crew: Crew, role: str) -> Plan:
    plans = {
        "api": crew.api,
        "relay": crew.relay,
        "balances": crew.balances_worker,
        "mirror": crew.mirror,
    }
    return plans[role]()


def _make(folder: DataFolder) -> None:
    for path in (folder.log, folder.state):
        path.mkdir(parents=True, exist_ok=True)
