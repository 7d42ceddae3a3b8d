"""Up to where a shard of the outbox was published: snapshots, rows and the cursor; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Snapshot(NamedTuple):
    """Is what a database transaction could see at one moment.

    Source: PostgreSQL manual, `pg_snapshot` components: all below `xmin` are over, all from
    `xmax` on have not begun, of those between, the ones in `xip` are still open.
    """

    xmin: int
    xmax: int
    xip: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> Snapshot:
        """Reads PostgreSQL's text form, `xmin:xmax:xip,xip`."""
        xmin, xmax, open_ones = text.split(":")
        return cls(int(xmin), int(xmax), tuple(int(xid) for xid in open_ones.split(",") if xid))

    def text(self) -> str:
        """Writes PostgreSQL's text form."""
        return f"{self.xmin}:{self.xmax}:{','.join(map(str, self.xip))}"

    def is_newer_than(self, other: Snapshot) -> bool:
        """Tells whether this one was taken later and shows something else."""
        if self.xmax != other.xmax:
            return self.xmax > other.xmax
        return set(self.xip) < set(other.xip)

    def ended_since(self, other: Snapshot) -> list[int]:
        """Gives the transactions that were open in `other` and are over in this one."""
        still_open = set(self.xip)
        return [xid for xid in other.xip if xid not in still_open and xid < self.xmax]


class Row(NamedTuple):
    """Is one record to publish, as the outbox holds it; `headers` are packed."""

    position: int
    partition: int
    topic: str
    key: bytes
    headers: bytes
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Says what of a shard is published: all that `snapshot` sees, and a part of one window.

    A window is what `frozen` sees and `snapshot` does not; of it, positions up to
    `last_position` are published. The position belongs to that one window: kept for the next
    one it would pass over the row of a transaction that was open for long.
    """

    snapshot: Snapshot
    frozen: Snapshot | None = None
    last_position: int | None = None
