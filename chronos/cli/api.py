"""`chronos api`: the command API, as one process or as several that share a port.

With several, the parent forks them before anything is opened, each listens with SO_REUSEPORT on
the one port of HTTP and the one of gRPC, and the kernel spreads the connections. The parent
serves nothing: it starts a dead child again (with growing waits), ends them all on SIGTERM or
SIGINT, and ends with a child's code when that says that starting again would not help (70, 78).
Each child reads a pipe that nobody writes: its end means that the parent is gone, however it
died, and the child goes too.
"""

from __future__ import annotations

import dataclasses
import os
import select
import signal
import socket
import time
from dataclasses import dataclass, field

import click

from chronos.settings import Settings

_FINAL_CODES = (70, 78)
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
_WAIT_FIRST_S = 0.2
_WAIT_MAX_S = 5.0
_STEADY_S = 30.0
_KILL_MARGIN_S = 5.0


@click.command(name="api")
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=None,
    help="Processes that share the port; CHRONOS_API_PROCESSES when omitted.",
)
def command(processes: int | None) -> None:
    """Run the command API until it is stopped.

    Exit codes: 0 stopped, 70 an invariant of the ledger is broken, 78 a setting is unsafe.
    """
    settings = Settings.from_environment()
    if processes is not None:
        settings = dataclasses.replace(settings, api_processes=processes)
    if settings.api_processes == 1:
        _run(settings, number=0, lifeline=None)
        return
    parent = Parent(settings)
    number = parent.watch()
    if number is None:
        raise SystemExit(parent.exit_code)
    _run(settings, number=number, lifeline=parent.lifeline)


def _run(settings: Settings, *, number: int, lifeline: int | None) -> None:
    import asyncio

    import uvloop

    from chronos.assembly.api import serve
    from chronos.cli.tracing import start_tracing
    from chronos.memory import settle_memory
    from chronos.telemetry.arming import arm_crash_point
    from chronos.telemetry.logs import configure_logs

    process = f"api-{number}"
    configure_logs(settings, process=process)
    arm_crash_point(settings.crash_at)
    tracing = start_tracing("chronos-api", process=process)
    settle_memory(objects_between_looks=20_000)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            if lifeline is not None:
                runner.get_loop().add_reader(lifeline, os._exit, 1)
            runner.run(serve(settings, number=number))
    finally:
        if tracing is not None:
            tracing.stop()


@dataclass(slots=True)
class _Child:
    """One of the processes: its number stays, its pid changes."""

    number: int
    pid: int | None = None
    started_s: float = 0.0
    wait_s: float = _WAIT_FIRST_S
    due_s: float = 0.0


@dataclass(slots=True)
class Parent:
    """Keeps the processes of one API alive."""

    settings: Settings
    exit_code: int = 0
    lifeline: int = -1
    """The end of the pipe that a child reads."""
    _lifeline_kept: int = -1
    _wake: int = -1
    _children: list[_Child] = field(default_factory=list)
    _stop_s: float | None = None
    """When the children were told to stop; None while they are to run."""

    def watch(self) -> int | None:
        """Runs until all children have ended; in a child, gives the child's number at once."""
        self._prepare()
        while True:
            self._reap()
            if self._stop_s is not None and not any(child.pid for child in self._children):
                return None
            for child in self._due():
                if self._start(child):
                    return child.number
            self._kill_late()
            self._sleep()

    def _prepare(self) -> None:
        import chronos.assembly.api  # noqa: F401 - imported once, shared by all children
        from chronos.telemetry.logs import configure_logs

        configure_logs(self.settings, process="api")
        self._check_ports()
        self._children = [_Child(number) for number in range(self.settings.api_processes)]
        self.lifeline, self._lifeline_kept = os.pipe()
        self._wake, wake_by = os.pipe()
        for end in (self._wake, wake_by):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake_by)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop())
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def _check_ports(self) -> None:
        """Refuses ports of others: a child that finds one taken would be started for ever."""
        from chronos.errors import MissingPart

        settings = self.settings
        admin = [settings.admin_port + n for n in range(settings.api_processes)]
        for port in (settings.api_port, settings.grpc_port, *admin):
            with socket.socket() as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    tried.bind((settings.api_host, port))
                except OSError as error:
                    raise MissingPart(
                        f"Port {port} on {settings.api_host} cannot be used "
                        f"({error.strerror}); stop what listens there or choose another port."
                    ) from error

    def _due(self) -> list[_Child]:
        if self._stop_s is not None:
            return []
        now_s = time.monotonic()
        return [child for child in self._children if not child.pid and child.due_s <= now_s]

    def _start(self, child: _Child) -> bool:
        """Forks; true in the child."""
        # Held back meanwhile: a signal must not find the parent's handlers in the child.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                for number in _SIGNALS:
                    signal.signal(number, signal.SIG_DFL)
                os.close(self._lifeline_kept)
                return True
            child.pid, child.started_s = pid, time.monotonic()
            return False
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def _reap(self) -> None:
        for child in self._children:
            if child.pid is None:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                child.pid = None
                self._ended(child, os.waitstatus_to_exitcode(status))

    def _ended(self, child: _Child, code: int) -> None:
        from chronos.telemetry.logs import get_logger

        if self._stop_s is not None:
            return
        log = get_logger("api")
        if code in _FINAL_CODES:
            log.error("api_process_gave_up", number=child.number, exit_code=code)
            self.exit_code = code
            self._stop()
            return
        now_s = time.monotonic()
        steady = now_s - child.started_s > _STEADY_S
        child.wait_s = _WAIT_FIRST_S if steady else min(child.wait_s * 2, _WAIT_MAX_S)
        child.due_s = now_s + child.wait_s
        log.error("api_process_died", number=child.number, exit_code=code, wait_s=child.wait_s)

    def _stop(self) -> None:
        if self._stop_s is None:
            self._stop_s = time.monotonic()
            self._signal(signal.SIGTERM)

    def _kill_late(self) -> None:
        if self._stop_s is None:
            return
        if time.monotonic() > self._stop_s + self.settings.drain_s + _KILL_MARGIN_S:
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        for child in self._children:
            if child.pid is not None:
                os.kill(child.pid, number)

    def _sleep(self) -> None:
        """Waits for a signal, or until something is due."""
        waits = [1.0]
        if self._stop_s is None:
            now_s = time.monotonic()
            waits += [child.due_s - now_s for child in self._children if not child.pid]
        ready, _, _ = select.select([self._wake], [], [], max(0.0, min(waits)))
        if ready:
            os.read(self._wake, 4096)
