"""A Faust worker that keeps our log, leaves in bounded time and tells why by its exit code."""

from __future__ import annotations

import logging
import os
import signal as signals
import sys
import threading
from typing import TYPE_CHECKING, Any, NoReturn

import faust
import structlog

from chronos.errors import ChronosError
from chronos.stream.sleep_guard import Slept

if TYPE_CHECKING:
    from chronos.stream.app import ChronosApp

EXIT_CRASHED = 1
SLEPT_LEAVES_S = 0.0
"""Time for the stop of a process that slept: its partitions are others' already.

It commits nothing and drains nothing, and what it had written is as after `kill -9`. Closing
its tables was once seen to end in RocksDB's own crash, whose exit code says nothing.
"""
_log = structlog.get_logger(room="stream")


class ChronosWorker(faust.Worker):
    """Runs one app in this process.

    Exit codes: 0 after a stop by signal, 70 a broken invariant, 78 an unsafe or wrong setting,
    1 any other crash, and a stop that took longer than the setting `drain_s`, or than
    `SLEPT_LEAVES_S` where there is nothing to drain.
    """

    def __init__(self, app: ChronosApp, *services: Any, **options: Any):
        # The log belongs to chronos.telemetry.logs: Faust would clear the root's handlers.
        options.update(override_logging=False, redirect_stdouts=False, quiet=True)
        super().__init__(app, *services, **options)
        self._drain_s: float = app.settings.drain_s
        self._last_resort: threading.Timer | None = None

    def execute_from_commandline(self) -> NoReturn:
        """Runs until the app stops or crashes, then leaves the process with its exit code.

        Everything is stopped and closed by then. What is left is the interpreter taking native
        libraries apart, in which RocksDB was once seen to crash: that would hide a code 70.
        """
        try:
            super().execute_from_commandline()
        except SystemExit as leaving:
            reason = self.app.crash_reason or self.crash_reason or leaving.__context__
            code = exit_code_of(reason) if leaving.code else 0
            if code:
                _log.error("worker_ended", exit_code=code, reason=_sentence(reason))
            _leave(code)

    def on_worker_shutdown(self) -> None:
        """Begins the countdown after a crash too: what crashed may also refuse to stop."""
        self._begin_countdown()

    def _schedule_shutdown(self, signal: signals.Signals) -> None:
        self._begin_countdown()
        super()._schedule_shutdown(signal)

    def _begin_countdown(self) -> None:
        # A thread, because a blocked loop could not end itself. A crash keeps its own code.
        if self._last_resort is None:
            stop_s = stop_s_of(self._reason(), self._drain_s)
            self._last_resort = threading.Timer(stop_s, self._leave_hard, (stop_s,))
            self._last_resort.daemon = True
            self._last_resort.start()

    def _leave_hard(self, stop_s: float) -> None:
        _log.error("worker_stop_forced", stop_s=stop_s, reason=_sentence(self._reason()))
        os._exit(exit_code_of(self._reason()))

    def _reason(self) -> BaseException | None:
        return self.app.crash_reason or self.crash_reason


def stop_s_of(reason: BaseException | None, drain_s: float) -> float:
    """Tells how long a stop for this reason may take.

    A process that slept through its session cannot commit, and waits for what others have in
    hand by now; while it waits, nobody starts it again.
    """
    return SLEPT_LEAVES_S if isinstance(reason, Slept) else drain_s


def exit_code_of(reason: BaseException | None) -> int:
    """Tells the exit code of a process that ended for this reason, never 0."""
    # Faust raises a crash reason from itself, so the chain may be a ring.
    seen: list[BaseException] = []
    while reason is not None and reason not in seen:
        if isinstance(reason, ChronosError):
            return reason.exit_code
        seen.append(reason)
        reason = reason.__cause__ or reason.__context__
    return EXIT_CRASHED


def _leave(code: int) -> NoReturn:
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _sentence(reason: BaseException | None) -> str:
    if isinstance(reason, ChronosError):
        return str(reason)
    return repr(reason)
