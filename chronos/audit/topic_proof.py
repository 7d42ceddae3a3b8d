"""Proves the events topic against the journal: pure, one page of records at a time.

A record may come twice (the relay repeats what a crash left unsure), but never with other
bytes; the first occurrences of an account's events come in the order of their versions; each
lies in the partition that its key hashes to; and each is in the journal, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from chronos.audit.report import Finding
from chronos.wire.topics import partition_of

CHECK = "kafka"


class RecordSeen(NamedTuple):
    """What the proof looks at in a record."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    version: str | None
    event_id: str | None
    digest: str | None


class Stored(NamedTuple):
    """What the journal has under an account and version."""

    event_id: str
    body: bytes
    hash: str


class TopicProof:
    """Takes the records of each partition in order; remembers one number per account."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self.last_version: dict[str, int] = {}
        self.records = 0
        self.duplicates = 0

    def wanted(self, records: Sequence[RecordSeen]) -> list[tuple[str, int]]:
        """Gives the journal keys that must be looked up to judge these records."""
        keys = {key for record in records if (key := _journal_key(record)) is not None}
        return sorted(keys)

    def take(
        self, records: Sequence[RecordSeen], stored: Mapping[tuple[str, int], Stored]
    ) -> Iterator[Finding]:
        """Yields what is wrong with the next records, given what the journal has of them."""
        for record in records:
            self.records += 1
            key = _journal_key(record)
            if key is None:
                yield _finding(record, "is no event of ours: no key or no `ce_version`")
                continue
            yield from self._placed(record, key)
            yield from self._equal(record, key, stored.get(key))

    def behind(self, account_id: str, version: int) -> Finding | None:
        """Tells whether the topic lacks events of an account that has reached `version`."""
        last = self.last_version.get(account_id, 0)
        if last >= version:
            return None
        return Finding(
            check=CHECK,
            account_id=account_id,
            version=version,
            detail=f"the topic ends at version {last}, the journal at {version}",
        )

    def _placed(self, record: RecordSeen, key: tuple[str, int]) -> Iterator[Finding]:
        account_id, version = key
        right = partition_of(account_id.encode(), self._partitions)
        if record.partition != right:
            yield _finding(record, f"belongs in partition {right}", key)
        last = self.last_version.get(account_id, 0)
        if version <= last:
            self.duplicates += 1
            return
        if version > last + 1:
            yield _finding(record, f"version {version} comes after version {last}", key)
        self.last_version[account_id] = version

    def _equal(
        self, record: RecordSeen, key: tuple[str, int], stored: Stored | None
    ) -> Iterator[Finding]:
        if stored is None:
            yield _finding(record, "is not in the journal", key)
            return
        if record.event_id != stored.event_id:
            detail = f"is event {record.event_id}, in the journal {stored.event_id}"
            yield _finding(record, detail, key)
        elif record.value != stored.body:
            yield _finding(record, "its value differs from the journal's bytes", key)
        elif record.digest != stored.hash:
            yield _finding(record, "its `ce_hash` differs from the journal's hash", key)


def _journal_key(record: RecordSeen) -> tuple[str, int] | None:
    if record.key is None or record.version is None:
        return None
    if not (record.version.isascii() and record.version.isdigit() and len(record.version) < 19):
        return None
    try:
        return record.key.decode(), int(record.version)
    except UnicodeDecodeError:
        return None


def _finding(record: RecordSeen, detail: str, key: tuple[str, int] | None = None) -> Finding:
    account_id, version = key or (None, None)
    place = f"the record at partition {record.partition}, offset {record.offset}"
    return Finding(
        check=CHECK, account_id=account_id, version=version, detail=f"{place} {detail}"
    )
