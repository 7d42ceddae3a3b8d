"""What the clients of a fault run asked and were told: one JSON line for each fact.

A line is written when an attempt is sent (`invoke`) and when it is over: `ok` (a 2xx answer),
`fail` (a refusal in a document: certainly nothing was booked) or `info` (a time-out, a broken
connection, any 5xx: nobody knows). An `info` is tried again under the same key until it is
known, so one operation may have several attempts.

Times are those of one monotonic clock, in nanoseconds; they may be compared within a run.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import msgspec

FLUSH_LINES = 256


class Outcome(enum.StrEnum):
    """How an attempt, or a whole operation, ended."""

    OK = "ok"
    FAIL = "fail"
    INFO = "info"


class Kind(enum.StrEnum):
    """What an operation is."""

    OPEN = "open"
    TRANSFER = "transfer"
    HOLD = "hold"
    CAPTURE = "capture"
    VOID = "void"
    REVERSAL = "reversal"
    RETRY = "retry"
    """The finished operation of another number, sent again under its key."""
    READ = "read"
    """An account as the command endpoint shows it."""
    SNAPSHOT = "snapshot"
    """The heads of all accounts in one REPEATABLE READ transaction."""
    PROJECTED = "projected"
    """A balance of the query side, with a `min_version`."""


class Line(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """One line of the history file; `phase` is `invoke` or an `Outcome`."""

    phase: str
    at_ns: int
    operation: int
    attempt: int
    process: int = 0
    """Number of the client, from 1; 0 opens the bank, and what a client reads of the query side
    has its number plus 1000, because it goes on meanwhile. In `invoke` lines, as the next five.
    """
    kind: str = ""
    key: str = ""
    method: str = ""
    path: str = ""
    body: str = ""
    status: int = 0
    """HTTP status, 0 without an answer; in the other lines, as the next five."""
    code: str = ""
    """The refusal's code, or what became of the connection."""
    reply: str = ""
    """The answer's body, byte for byte."""
    location: str = ""
    replayed: bool = False
    retry_after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One sending; `outcome` is INFO with `completed_ns` None when the run ended before it."""

    invoked_ns: int
    completed_ns: int | None
    outcome: Outcome
    status: int = 0
    code: str = ""
    reply: str = ""
    location: str = ""
    replayed: bool = False
    retry_after: str = ""


@dataclass(slots=True, kw_only=True)
class Operation:
    """One intention of a client, with every attempt at it in order."""

    number: int
    process: int
    kind: Kind
    key: str
    method: str
    path: str
    body: str
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        """Tells what is known in the end: OK or FAIL of any attempt, else INFO."""
        known = self.answered
        return Outcome.INFO if known is None else known.outcome

    @property
    def answered(self) -> Attempt | None:
        """Gives the first attempt that settled it; None when none did."""
        return next((a for a in self.attempts if a.outcome is not Outcome.INFO), None)

    @property
    def invoked_ns(self) -> int:
        """Tells when it was first sent."""
        return self.attempts[0].invoked_ns


class Recorder:
    """Writes the history of a run; a context manager. Numbers operations from 1."""

    def __init__(self, path: Path):
        self._path = path
        self._lines: list[bytes] = []
        self._numbers = 0
        self._encode = msgspec.json.Encoder().encode

    def __enter__(self) -> Recorder:
        """Opens the file anew."""
        self._file = self._path.open("wb")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Writes what is left."""
        self.flush()
        self._file.close()

    def next_number(self) -> int:
        """Gives the number of a new operation."""
        self._numbers += 1
        return self._numbers

    def write(self, line: Line) -> None:
        """Adds a line; it reaches the file with its neighbours."""
        self._lines.append(self._encode(line))
        if len(self._lines) >= FLUSH_LINES:
            self.flush()

    def flush(self) -> None:
        """Hands all lines to the file."""
        if self._lines:
            self._file.write(b"\n".join(self._lines) + b"\n")
            self._lines.clear()
        self._file.flush()


def now_ns() -> int:
    """Gives the time of the history's clock."""
    return time.monotonic_ns()


def read_history(path: Path) -> list[Operation]:
    """Reads a history file back, operations in the order in which they were first sent.

    Raises:
        msgspec.DecodeError: A line is not of this shape.
    """
    decode = msgspec.json.Decoder(Line).decode
    with path.open("rb") as file:
        return pair(decode(line) for line in file)


def pair(lines: Iterable[Line]) -> list[Operation]:
    """Puts invocations and their ends together."""
    operations: dict[int, Operation] = {}
    open_attempts: dict[tuple[int, int], int] = {}
    for line in lines:
        name = (line.operation, line.attempt)
        if line.phase == "invoke":
            open_attempts[name] = line.at_ns
            if line.operation not in operations:
                operations[line.operation] = _begun(line)
            continue
        operations[line.operation].attempts.append(_ended(line, open_attempts.pop(name)))
    for (number, _), invoked_ns in sorted(open_attempts.items()):
        operations[number].attempts.append(
            Attempt(invoked_ns=invoked_ns, completed_ns=None, outcome=Outcome.INFO)
        )
    return list(operations.values())


def _begun(line: Line) -> Operation:
    return Operation(
        number=line.operation,
        process=line.process,
        kind=Kind(line.kind),
        key=line.key,
        method=line.method,
        path=line.path,
        body=line.body,
    )


def _ended(line: Line, invoked_ns: int) -> Attempt:
    return Attempt(
        invoked_ns=invoked_ns,
        completed_ns=line.at_ns,
        outcome=Outcome(line.phase),
        status=line.status,
        code=line.code,
        reply=line.reply,
        location=line.location,
        replayed=line.replayed,
        retry_after=line.retry_after,
    )
