"""One fault run from its first server to its report.

Phases: the pipeline starts, with a proxy on every link → the refusals of unsafe settings →
clients begin; a while without faults gives the base of rates and latencies → faults by the
plan, each healed → on a slow machine clients go on for a while → clients end what they have
begun → all read models catch up, or the run is a violation → the checkers read every store →
what would end the load for good: all that is derived is lost, the journal is spoilt → they
catch up and the checkers read once more.

Whatever breaks on the way is in the report; only a pipeline that does not start raises.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from traceback import format_exception
from typing import Final

from chronos.assembly.measured_on import commit, machine_facts
from chronos.assembly.processes import url
from chronos.chaos.bank import accounts
from chronos.chaos.checkers.every import ALL, check_all
from chronos.chaos.fault import Fault, Injection, LeftOut, Phase
from chronos.chaos.faults.catalogue import chosen_faults
from chronos.chaos.history import now_ns, read_history
from chronos.chaos.injecting import Injector, sort_out
from chronos.chaos.load.plan import LoadPlan
from chronos.chaos.profile import Profile
from chronos.chaos.quiet import NotQuiet, until_quiet
from chronos.chaos.report import INVALID, VIOLATED, Mark, Report, count
from chronos.chaos.sampling import Sample, Sources, sampling
from chronos.chaos.scene import Scene
from chronos.chaos.schedule import Planned, faults_needed, plan
from chronos.chaos.small_disk import SmallDisk
from chronos.chaos.verdict import Verdict
from chronos.chaos.workload import NoLoad, Workload
from chronos.chaos.wounds import Timed, Wounds
from chronos.clock import Clock
from chronos.embedded.report import Report as News
from chronos.errors import ChronosError
from chronos.settings import PREFIX

HISTORY: Final = "history.jsonl"
MORE_S_MAX: Final = 240.0
"""Longest time that clients go on after the last heal, for the transfers that a run needs."""
# After a loss of everything the copies are compared again; what clients were told is not.
_AGAIN: Final = ("C3", "C5", "C6", "C7", "C11")


class NotStarted(ChronosError):
    """Says that the pipeline did not start, so that nothing is proved either way."""

    exit_code = INVALID


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to run.

    Attributes:
        profile: How long and how hard.
        seed: Draws the faults, their times and what clients do.
        only: The kinds of fault to inject; empty: all.
        folder: A folder for everything that the run makes; removed by nobody here.
        history: The file of what clients asked and were told.
        launches: What brings up a process instead of `python -m chronos`; see `Wiring`.
    """

    profile: Profile
    seed: int
    only: tuple[str, ...] = ()
    folder: Path
    history: Path
    launches: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class _Notes:
    """What is known of a run so far."""

    wanted: tuple[str, ...]
    faults_min: int
    begun_ns: int
    marks: list[Mark] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    injections: list[Injection] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    spoiled: list[str] = field(default_factory=list)
    promises: tuple[Timed, ...] = ()


async def run_chaos(
    order: Order, *, environment: Mapping[str, str], news: News, clock: Clock
) -> Report:
    """Runs it and gives the report.

    Raises:
        NotStarted: The pipeline does not start on this machine.
        SettingFault: There is no fault of a kind in `only`; a setting cannot be used here.
    """
    started_at = clock.now()
    wounds = Wounds()
    chosen = chosen_faults(order.only, seed=order.seed, wounds=wounds)
    notes = _Notes(
        wanted=tuple(dict.fromkeys(fault.kind for fault in chosen)),
        faults_min=order.profile.faults_min,
        begun_ns=now_ns(),
    )
    # A server of somebody else is not for us to hurt.
    ours = {name: text for name, text in environment.items() if not name.startswith(PREFIX)}
    ours |= {name: environment[name] for name in _OF_THE_MACHINE if name in environment}
    scene = Scene(
        order.folder,
        environment=ours,
        report=news,
        launches=order.launches,
        disk=SmallDisk(order.profile.disk_bytes),
    )
    async with _started(scene):
        try:
            await _Run(order, scene, wounds, notes, news).all_of(chosen)
        except Exception as error:  # noqa: BLE001 - it is told in the report, and proves nothing
            told = "".join(format_exception(error)).rstrip()
            notes.spoiled.append(f"The run itself fell over: {told}")
    notes.promises = wounds.timed()
    return _report(order, notes, started_at)


@asynccontextmanager
async def _started(scene: Scene) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(scene)
        except ChronosError as fault:
            if fault.exit_code != VIOLATED:
                raise
            raise NotStarted(f"Nothing was tried: {fault}") from fault
        except OSError as error:
            raise NotStarted(f"Nothing was tried: {error}") from error
        yield


_OF_THE_MACHINE: Final = (
    "CHRONOS_JAVA",
    "CHRONOS_RUN_AS",
    "CHRONOS_POSTGRES_BIN",
    "CHRONOS_CACHE_DIR",
)


class _Run:
    def __init__(self, order: Order, scene: Scene, wounds: Wounds, notes: _Notes, news: News):
        self._order = order
        self._scene = scene
        self._notes = notes
        self._news = news
        self._injector = Injector(scene, wounds)
        notes.injections = self._injector.injected.injections

    async def all_of(self, chosen: Sequence[Fault]) -> None:
        """Goes through all phases."""
        possible, self._notes.left_out = await sort_out(self._scene, chosen)
        planned = self._planned(possible)
        await self._in_turn(possible, Phase.BEFORE)
        self._notes.begun_ns = now_ns()
        await self._under_load(planned)
        # What never catches up is a violation already; the checkers tell what it is that lacks.
        await self._quiet()
        self._notes.verdicts += await self._judged()
        if any(fault.phase is Phase.AFTER for fault in possible):
            await self._in_turn(possible, Phase.AFTER)
            await self._quiet()
            self._notes.verdicts += _renamed(await self._judged(only=_AGAIN))

    def _planned(self, possible: Sequence[Fault]) -> tuple[Planned, ...]:
        planned = plan(possible, self._order.profile, seed=self._order.seed)
        others = sum(fault.phase is not Phase.UNDER_LOAD for fault in possible)
        self._notes.faults_min = faults_needed(
            self._order.profile,
            planned=len(planned) + others,
            is_narrowed=bool(self._order.only),
        )
        return planned

    async def _in_turn(self, faults: Sequence[Fault], phase: Phase) -> None:
        due = [fault for fault in faults if fault.phase is phase]
        if due:
            self._news.say(f"{len(due)} faults {phase.value} the load")
            await self._injector.in_turn(due)

    async def _under_load(self, planned: Sequence[Planned]) -> None:
        profile = self._order.profile
        try:
            async with (
                sampling(self._order.history, self._sources()) as self._notes.samples,
                Workload(self._load_plan()) as load,
            ):
                self._notes.begun_ns = load.opened_ns
                self._mark("clients send")
                await asyncio.sleep(profile.base_s)
                self._mark("faults begin")
                await self._injector.carry_out(
                    planned,
                    overlapping_max=profile.overlapping_max,
                    span_s=profile.load_s - profile.base_s,
                )
                left = self._injector.injected.not_begun
                late = f"; no time was left for {len(left)} planned faults" if left else ""
                self._mark(f"all is healed{late}")
                await self._until_enough(load)
                await load.stop()
                self._mark("clients have ended")
        except NoLoad as fault:
            self._notes.spoiled.append(str(fault))

    async def _until_enough(self, load: Workload) -> None:
        """Lets clients go on where a slow machine has done too little to prove anything."""
        wanted = self._order.profile.acks_min
        if self._acknowledged() >= wanted:
            return
        self._mark(f"clients go on without faults, up to {wanted:,} acknowledged transfers")
        end_ns = now_ns() + int(MORE_S_MAX * 1e9)
        # What is looked at grows by a sample each second.
        while self._acknowledged() < wanted and load.is_sending and now_ns() < end_ns:  # noqa: ASYNC110
            await asyncio.sleep(1)

    def _acknowledged(self) -> int:
        return sum(one.transfers for one in self._notes.samples)

    async def _quiet(self) -> None:
        names = [account.account_id for account in accounts()]
        within_s = self._order.profile.quiescence_s
        try:
            seconds = await until_quiet(self._scene.addresses, names, within_s=within_s)
        except NotQuiet as fault:
            self._notes.failures.append(str(fault))
        else:
            self._mark(f"everything has caught up, after {seconds:.1f} s")

    async def _judged(self, *, only: Collection[str] = ALL) -> list[Verdict]:
        # The links' proxies live in this process: to look for garbage among the millions of
        # facts that are read now would hold every connection up for seconds.
        gc.disable()
        try:
            verdicts = await check_all(
                addresses=self._scene.addresses,
                history=self._order.history,
                profile=self._order.profile,
                injections=self._notes.injections,
                data=self._scene.pipeline.folder.path,
                only=only,
            )
        finally:
            gc.enable()
        self._mark("the checkers have spoken")
        return verdicts

    def _sources(self) -> Sources:
        addresses = self._scene.addresses
        ports = self._scene.pipeline.crew.ports
        return Sources(
            pipelines=(addresses.query,),
            relays=(url(ports.relay),),
            api_key=addresses.api_key,
        )

    def _load_plan(self) -> LoadPlan:
        direct, doors = self._scene.addresses, self._scene.client_addresses
        return LoadPlan(
            seed=self._order.seed,
            clients=self._order.profile.clients,
            command=doors.api,
            query=doors.query,
            postgres_dsn=direct.postgres,
            api_key=direct.api_key,
            history=str(self._order.history),
        )

    def _mark(self, text: str) -> None:
        self._notes.marks.append(Mark(at_ns=now_ns(), text=text))
        self._news.say(text)


def _renamed(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Gives the verdicts that count once more, as what they are: of a restored pipeline."""
    return [
        replace(one, promise=f"{one.promise} (again, after the loss of all that is derived)")
        for one in verdicts
    ]


def _report(order: Order, notes: _Notes, started_at: datetime) -> Report:
    operations = read_history(order.history) if order.history.exists() else []
    return Report(
        seed=order.seed,
        profile=replace(order.profile, faults_min=notes.faults_min),
        only=order.only,
        commit=commit(),
        machine=machine_facts(),
        started_at=started_at.isoformat(),
        begun_ns=notes.begun_ns,
        ended_ns=now_ns(),
        marks=tuple(notes.marks),
        counts=count(operations),
        wanted=notes.wanted,
        injections=tuple(notes.injections),
        left_out=tuple(notes.left_out),
        verdicts=tuple(notes.verdicts),
        samples=tuple(notes.samples),
        promises=notes.promises,
        failures=tuple(notes.failures),
        spoiled=tuple(notes.spoiled),
    )
