"""Named points at which a process ends itself, so that a fault test meets exactly them.

`CHRONOS_CRASH_AT=NAME` ends the process with `os._exit(137)` when it comes to the point,
`NAME:n` when it comes there for the n-th time: no handler runs, nothing is flushed, no
connection is closed in form, as after `kill -9`. Never set it where money is.

Why there is one point between the lock and the commit: accounts, events, outbox rows and
receipts are one statement (`chronos.store.statements.append_to`), of a long transaction several
of that kind, and `after-append:n` counts each of them. Between the events and the
outbox rows no code of ours runs, so there is nothing to stop in. What PostgreSQL itself does
when it is stopped there is tried from its side: a trigger of the test holds the statement, and
the process, or the backend, is killed meanwhile.

Everybody may know this module, as everybody may know the clock; the core does not.
"""

from __future__ import annotations

import os
import re
from enum import StrEnum
from typing import Final

EXIT_CODE: Final = 137
"""What a shell says of a process that was killed with -9."""
_PASSES_MAX: Final = 1_000_000
_FORM: Final = re.compile(r"([a-z-]+)(?::([0-9]{1,7}))?", re.ASCII)


class CrashPoint(StrEnum):
    """Names each point by what was the last thing done there.

    The first three are passed by every process that executes commands: the API, and the relay
    worker when it expires holds.
    """

    AFTER_LOCK = "after-lock"
    """The transaction has its locks and has read nothing."""
    AFTER_APPEND = "after-append"
    """Events, outbox rows and receipts, or a part of them, are inserted and not committed."""
    AFTER_COMMIT = "after-commit"
    """The commit is answered; no sender of a command knows."""
    AFTER_KAFKA_ACK = "after-kafka-ack"
    """Kafka has a page of the outbox; the checkpoint does not say so."""
    AFTER_CHECKPOINT = "after-checkpoint"
    """The checkpoint is saved."""
    AFTER_TABLE_WRITE = "after-table-write"
    """A batch is in the table on disk; its changelog records are on their way."""
    AFTER_CHANGELOG_ACK = "after-changelog-ack"
    """Kafka has the changelog records; the batch is not acknowledged."""
    AFTER_REDIS_WRITE = "after-redis-write"
    """Redis has the balances that the table was handed last."""
    AFTER_ELASTICSEARCH_WRITE = "after-elasticsearch-write"
    """Elasticsearch has the documents; the batch is not acknowledged."""


class _Armed:
    """Is the one point at which this process ends; none, unless `arm` was called."""

    __slots__ = ("passes_left", "point")

    def __init__(self) -> None:
        self.point: CrashPoint | None = None
        self.passes_left = 0


_armed: Final = _Armed()


def parse(text: str) -> tuple[CrashPoint, int] | None:
    """Reads the setting: a point and the pass at which to end there; None when it is empty.

    Raises:
        ValueError: It names no point, or no pass from 1 to 1,000,000.
    """
    if not text:
        return None
    found = _FORM.fullmatch(text)
    passes = int(found[2] or 1) if found else 0
    if found is None or found[1] not in list(CrashPoint) or not 1 <= passes <= _PASSES_MAX:
        raise ValueError(
            f"it takes one of {', '.join(CrashPoint)}, or one of them with the number of the "
            f"pass, as in {CrashPoint.AFTER_COMMIT}:3"
        )
    return CrashPoint(found[1]), passes


def arm(text: str) -> bool:
    """Arms the point that the setting names, for this process and those that it forks later.

    Returns:
        Whether a point is armed now.

    Raises:
        ValueError: The setting names none.
    """
    named = parse(text)
    _armed.point, _armed.passes_left = named or (None, 0)
    return named is not None


def pass_point(point: CrashPoint) -> None:
    """Ends the process here if this is the armed point and the pass is the one waited for."""
    if point is _armed.point:
        _count_down(point)


def _count_down(point: CrashPoint) -> None:
    _armed.passes_left -= 1
    if _armed.passes_left <= 0:
        # Not through the log: what it holds back must be lost, as it would be after a kill.
        os.write(2, f'{{"event":"crash_point_reached","point":"{point}"}}\n'.encode())
        os._exit(EXIT_CODE)
