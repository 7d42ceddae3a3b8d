"""What a person sees while things start, restart and stop."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)
from rich.status import Status


class Report(Protocol):
    """Takes the news of a start; never fails and never blocks for long."""

    def say(self, line: str) -> None:
        """Tells one thing that happened."""
        ...

    def waiting(self, names: dict[str, float]) -> None:
        """Tells what is not ready yet, with the seconds since its start; empty: all is."""
        ...

    def fetching(self, done_bytes: int, total_bytes: int) -> None:
        """Tells how far a fetch is; equal numbers end it."""
        ...


class Silence:
    """Says nothing."""

    def say(self, line: str) -> None:
        """Keeps quiet."""

    def waiting(self, names: dict[str, float]) -> None:
        """Keeps quiet."""

    def fetching(self, done_bytes: int, total_bytes: int) -> None:
        """Keeps quiet."""


class Screen:
    """Shows the news on a terminal with a live line and a bar, elsewhere as plain lines.

    It is a context manager: leaving it takes the live line away.
    """

    def __init__(self, console: Console | None = None):
        self._console = console or Console(stderr=True, highlight=False)
        self._status: Status | None = None
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._said_waiting_s = 0.0
        self._said_tenths = 0

    def __enter__(self) -> Screen:
        """Gives itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Takes the live parts away."""
        self._end_status()
        self._end_bar()

    def say(self, line: str) -> None:
        """Prints one line."""
        # Whole lines where they go to a file: a search finds them.
        self._console.print(line, markup=False, soft_wrap=not self._console.is_terminal)

    def waiting(self, names: dict[str, float]) -> None:
        """Shows what is not ready: as a live line, or every 10 s where there is no terminal."""
        if not names:
            self._end_status()
            return
        text = "waiting for " + ", ".join(f"{n} ({s:.0f} s)" for n, s in names.items())
        if self._console.is_terminal:
            if self._bar is not None:
                return  # One live display at a time; the bar says more.
            if self._status is None:
                self._status = self._console.status(text)
                self._status.start()
            self._status.update(text)
            return
        longest_s = max(names.values())
        if longest_s - self._said_waiting_s >= 10:
            self._said_waiting_s = longest_s
            self.say(text)

    def fetching(self, done_bytes: int, total_bytes: int) -> None:
        """Moves the bar, or prints every tenth part where there is no terminal."""
        if not self._console.is_terminal:
            self._say_fetching(done_bytes, total_bytes)
            return
        self._end_status()
        if self._bar is None:
            self._bar = Progress(
                TextColumn("fetching the servers"),
                BarColumn(),
                DownloadColumn(),
                TransferSpeedColumn(),
                console=self._console,
            )
            self._task = self._bar.add_task("fetch", total=total_bytes)
            self._bar.start()
        self._bar.update(self._task, completed=done_bytes)
        if done_bytes >= total_bytes:
            self._end_bar()

    def _say_fetching(self, done_bytes: int, total_bytes: int) -> None:
        tenths = done_bytes * 10 // max(total_bytes, 1)
        if tenths > self._said_tenths:
            self._said_tenths = tenths
            self.say(f"fetching the servers: {done_bytes >> 20} of {total_bytes >> 20} MiB")

    def _end_status(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
