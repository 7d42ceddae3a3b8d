"""Proves an export of the journal from the file alone.

What `verify` proves of PostgreSQL is proved here of the lines: hashes, versions without a gap,
after-values by the fold, overdraft, order, holds, zero sums; and that the file is whole: its
counts, its totals and its digest. Nobody can change an event, leave one out or add one and keep
all of it true without making every later hash of that account anew. Against somebody who does
that, the digest must be known from elsewhere.

Memory is bounded: one line and one account's state. Entries that do not sum to zero are named
by reading the file again, a share of the entries at a time.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from chronos.audit.export import END_BEGINS, FORMAT, Beginning, End
from chronos.audit.proof import JournalProof
from chronos.audit.report import Finding, Report
from chronos.audit.zero_sums import ZeroSums, share_of, wrong_entries
from chronos.domain.events import AccountChanged, HoldChanged, HoldPlaced, MoneyMoved
from chronos.errors import MissingPart
from chronos.wire.booking import EventRow
from chronos.wire.codec import Recorded, UnreadableEvent, decode_event
from chronos.wire.event_shapes import SCHEMA_VERSIONS

LINE_BYTES_MAX: Final = 1 << 20
_PROGRESS_EVENTS: Final = 10_000
_EVENTS_PER_SHARE: Final = 500_000
_LINE = re.compile(rb'(\{.+),"hash":"([0-9a-f]{64})"\}\n', re.DOTALL)


def verify_export(
    path: Path,
    *,
    expected_sha256: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Proves the file at `path`.

    Args:
        path: What `chronos export` wrote.
        expected_sha256: The digest that it must have, noted when it was written.
        progress: Called with the number of events proved, now and then.

    Raises:
        MissingPart: There is no such file, or it cannot be read.
    """
    report = Report("verify")
    proof = _FileProof(report, progress)
    try:
        with path.open("rb") as file:
            proof.read(file)
        if not proof.sums.is_zero:
            for finding in _wrong_entries(path, proof.events):
                report.add(finding)
    except OSError as error:
        raise MissingPart(f"{path} cannot be read: {error.strerror}.") from error
    digest = proof.digest.hexdigest()
    if expected_sha256 is not None and digest != expected_sha256.lower():
        detail = f"the events have the digest {digest}, not {expected_sha256.lower()}"
        report.add(Finding(check="digest", detail=detail))
    report.count("accounts", proof.journal.accounts)
    report.count("events", proof.events)
    report.facts["sha256"] = digest
    report.facts["grand_totals"] = dict(sorted(proof.journal.totals.items()))
    return report


class _FileProof:
    """Reads one file from its first line to its last."""

    def __init__(self, report: Report, progress: Callable[[int], None] | None) -> None:
        self._report = report
        self._progress = progress
        self._last: EventRow | None = None
        self._position = 0
        self.journal = JournalProof()
        self.sums = ZeroSums(secrets.token_bytes(32))
        self.digest = sha256()
        self.events = 0

    def read(self, file: BinaryIO) -> None:
        """Reads all lines; what is wrong is in the report."""
        if not self._begins(file.readline(LINE_BYTES_MAX)):
            return
        number = 1
        while line := file.readline(LINE_BYTES_MAX):
            number += 1
            if line.startswith(END_BEGINS):
                self._end(line)
                if file.read(1):
                    self._wrong("the file goes on behind its last line")
                return
            self._event(line, number)
        self._wrong("the file ends before its last line: it was cut off")

    def _begins(self, line: bytes) -> bool:
        try:
            beginning = msgspec.json.decode(line, type=Beginning)
        except msgspec.MsgspecError:
            self._wrong("the first line is not that of an export of the journal")
            return False
        if beginning.chronos_export != FORMAT:
            self._wrong(f"the file is of format {beginning.chronos_export}, not {FORMAT}")
            return False
        return True

    def _event(self, line: bytes, number: int) -> None:
        self.events += 1
        self.digest.update(line)
        parts = _parts(line)
        if parts is None:
            self._wrong(f"line {number} is not an event with its hash")
            return
        body, digest = parts
        try:
            recorded = decode_event(body)
        except UnreadableEvent as error:
            self._report.add(Finding(check="body", detail=f"line {number}: {error}"))
            return
        row = _row(recorded, body, digest, self._last)
        self._prove_order(row)
        for finding in self.journal.take(row):
            self._report.add(finding)
        if isinstance(recorded.event, MoneyMoved):
            self.sums.take(recorded.event)
        self._last = row
        self._position = max(self._position, row.position)
        if self._progress is not None and self.events % _PROGRESS_EVENTS == 0:
            self._progress(self.events)

    def _prove_order(self, row: EventRow) -> None:
        """An account that comes twice would have a whole chain each time."""
        last = self._last
        if last is not None and row.account_id < last.account_id:
            detail = f"comes behind {last.account_id}; accounts come in order, each once"
            self._report.add(
                Finding(
                    check="order", account_id=row.account_id, version=row.version, detail=detail
                )
            )
        if row.version == 1 and last is not None and row.account_id == last.account_id:
            self._report.add(
                Finding(
                    check="order", account_id=row.account_id, version=1, detail="begins again"
                )
            )

    def _end(self, line: bytes) -> None:
        try:
            end = msgspec.json.decode(line, type=End)
        except msgspec.MsgspecError as error:
            self._wrong(f"the last line cannot be read: {error}")
            return
        totals = dict(sorted(self.journal.totals.items()))
        said = (end.events, end.accounts, end.position, end.totals, end.sha256)
        found = (
            self.events,
            self.journal.accounts,
            self._position,
            totals,
            self.digest.hexdigest(),
        )
        names = ("events", "accounts", "position", "totals", "sha256")
        for name, one, other in zip(names, said, found, strict=True):
            if one != other:
                self._wrong(f"the last line says {name} {one}, the lines say {other}")
        for currency, total in totals.items():
            if total:
                detail = f"all amounts in {currency} sum to {total}, not to zero"
                self._report.add(Finding(check="grand_total", detail=detail))

    def _wrong(self, detail: str) -> None:
        self._report.add(Finding(check="file", detail=detail))


def _parts(line: bytes) -> tuple[bytes, bytes] | None:
    """Gives the stored bytes of an event, and its hash."""
    match = _LINE.fullmatch(line)
    return None if match is None else (match[1] + b"}", bytes.fromhex(match[2].decode()))


def _row(recorded: Recorded, body: bytes, digest: bytes, last: EventRow | None) -> EventRow:
    """Gives the row that the journal has of an event, as far as the event tells."""
    event = recorded.event
    kind = type(event).__name__
    money = event if isinstance(event, MoneyMoved) else None
    changed = event if isinstance(event, AccountChanged) else None
    return EventRow(
        recorded.position,
        event.account_id,
        event.version,
        recorded.event_id,
        kind,
        SCHEMA_VERSIONS[kind],
        None if money is None else money.transfer_id,
        None if money is None else money.leg,
        event.hold_id if isinstance(event, HoldChanged) else None,
        None if money is None else money.reverses_transfer_id,
        event.expires_at if isinstance(event, HoldPlaced) else None,
        event.currency,
        None if money is None else money.amount,
        0 if changed is None else changed.booked_after,
        0 if changed is None else changed.held_after,
        _limit(recorded),
        0 if changed is None else int(changed.status_after),
        recorded.principal,
        event.value_date,
        recorded.recorded_at,
        digest,
        body,
        _open_holds(recorded, last),
    )


def _limit(recorded: Recorded) -> int | None:
    event = recorded.event
    if isinstance(event, AccountChanged):
        return event.overdraft_limit_after
    return event.overdraft_limit


def _open_holds(recorded: Recorded, last: EventRow | None) -> int:
    """Gives the number of open holds; events that are not of holds do not tell it."""
    event = recorded.event
    if isinstance(event, HoldChanged):
        return event.open_holds_after
    is_same = last is not None and last.account_id == event.account_id
    return last.open_holds_after if last is not None and is_same else 0


def _wrong_entries(path: Path, events: int) -> Iterator[Finding]:
    shares = 1 + events // _EVENTS_PER_SHARE
    for share in range(shares):
        for wrong in wrong_entries(_money(path, share, shares)):
            yield Finding(check="zero_sum", detail=wrong.detail)


def _money(path: Path, share: int, shares: int) -> Iterator[MoneyMoved]:
    with path.open("rb") as file:
        while line := file.readline(LINE_BYTES_MAX):
            parts = _parts(line)
            if parts is None:
                continue
            try:
                event = decode_event(parts[0]).event
            except UnreadableEvent:
                continue
            if isinstance(event, MoneyMoved) and share_of(event.transfer_id, shares) == share:
                yield event
