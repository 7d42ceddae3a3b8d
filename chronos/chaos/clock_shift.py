"""Brings a process of Chronos up with a wall clock that goes wrong when a fault says so.

`python -m chronos.chaos.clock_shift FILE WORDS…` is `python -m chronos WORDS…` whose wall clock
is off by the milliseconds that FILE holds at each moment. Everything that asks Python for the
wall clock is told the wrong time, libraries too; monotonic clocks are right, as they are on a
machine whose clock is stepped. PostgreSQL, from whose clock `recorded_at` comes, stays right.
"""

from __future__ import annotations

import mmap
import runpy
import struct
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

from chronos.clock import SystemClock

_OFFSET = struct.Struct("<q")


class ClockOffset:
    """Milliseconds by which wall clocks are off, in a file that processes share."""

    def __init__(self, path: Path):
        self._path = path
        if not path.exists():
            path.write_bytes(_OFFSET.pack(0))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _OFFSET.size)

    @property
    def milliseconds(self) -> int:
        """Gives the offset of now; negative: clocks are behind."""
        offset: int = _OFFSET.unpack_from(self._shared)[0]
        return offset

    def step(self, milliseconds: int) -> None:
        """Puts all clocks off by this much from now on; 0: they are right again."""
        _OFFSET.pack_into(self._shared, 0, milliseconds)

    def launch(self) -> tuple[str, ...]:
        """Gives what brings a process up under these clocks, before its own words."""
        return (sys.executable, "-m", "chronos.chaos.clock_shift", str(self._path))

    def shift_this_process(self) -> None:
        """Has every wall clock of this process go by the offset."""
        right, right_ns, right_now = time.time, time.time_ns, SystemClock.now  # noqa: TID251

        def now(clock: SystemClock) -> datetime:
            return right_now(clock) + timedelta(milliseconds=self.milliseconds)

        changes: tuple[tuple[object, str, object], ...] = (
            (time, "time", lambda: right() + self.milliseconds / 1e3),
            (time, "time_ns", lambda: right_ns() + self.milliseconds * 1_000_000),
            (SystemClock, "now", now),
        )
        for owner, name, replacement in changes:
            setattr(owner, name, replacement)


def main() -> None:
    """Shifts the clocks, then runs `chronos` with the words that are left."""
    path = Path(sys.argv[1])
    del sys.argv[1]
    ClockOffset(path).shift_this_process()
    # The commands stand above this room, so they are run as a user runs them.
    runpy.run_module("chronos", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
