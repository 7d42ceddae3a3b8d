"""Compares the copies of events with the journal: the topic record by record, the entries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from chronos.audit.looking import Audit
from chronos.audit.report import Finding
from chronos.audit.topic_proof import RecordSeen, Stored, TopicProof
from chronos.errors import Unavailable
from chronos.mirror.entries import EntryHead, EntryIndex
from chronos.store.journal_scan import HeadRow
from chronos.stream.topic_reader import TopicRecord, open_topic

ENTRIES = "entries"


async def compare_topic(audit: Audit, *, bootstrap: str, topic: str) -> None:
    """Compares every record of the topic with the journal, from offset 0.

    Events that the topic lacks are waited for; a record that the journal lacks is a difference
    at once, because a record is only ever made after its event was committed.
    """
    try:
        async with open_topic(bootstrap, topic) as reader:
            proof = TopicProof(len(reader.partitions))
            while True:
                async for records in reader.pages_until(await reader.end_offsets()):
                    await _judge(audit, proof, records)
                behind = [finding async for finding in _unpublished(audit, proof)]
                if not behind or audit.patience.is_over:
                    break
                await audit.patience.pause()
    except Unavailable as fault:
        audit.report.add(Finding(check="kafka", detail=str(fault)))
        return
    for finding in behind:
        audit.report.add(finding)
    audit.report.count("records", proof.records)
    audit.report.facts["records_repeated"] = proof.duplicates


async def compare_entries(audit: Audit, index: EntryIndex) -> None:
    """Compares the number of entries and the last version of each account with the journal."""
    try:
        while True:
            await index.refresh()
            differences = [one async for one in _entry_differences(audit, index)]
            if not differences or audit.patience.is_over:
                break
            await audit.patience.pause()
        audit.report.count(ENTRIES, await index.count())
    except Unavailable as fault:
        differences = [Finding(check=ENTRIES, detail=str(fault))]
    for finding in differences:
        audit.report.add(finding)


async def _judge(audit: Audit, proof: TopicProof, records: Sequence[TopicRecord]) -> None:
    seen = [_seen(record) for record in records]
    rows = await audit.lookup.at_versions(proof.wanted(seen))
    stored = {
        key: Stored(event_id=row.event_id, body=row.body, hash=row.hash)
        for key, row in rows.items()
    }
    for finding in proof.take(seen, stored):
        audit.report.add(finding)


async def _unpublished(audit: Audit, proof: TopicProof) -> AsyncIterator[Finding]:
    async for heads in audit.scan.heads():
        for head in heads:
            if finding := proof.behind(head.account_id, head.version):
                yield finding


async def _entry_differences(audit: Audit, index: EntryIndex) -> AsyncIterator[Finding]:
    """Walks the journal's accounts and the index's side by side; both come by account id."""
    entries = _EntryWalk(index.heads())
    async for heads in audit.scan.heads():
        for head in heads:
            async for entry in entries.before(head.account_id):
                if finding := await _stranger(audit, entry):
                    yield finding
            if finding := _entry_difference(head, await entries.take(head.account_id)):
                yield finding
    async for entry in entries.before(None):
        if finding := await _stranger(audit, entry):
            yield finding


class _EntryWalk:
    """Goes through the index's accounts in order, one ahead."""

    def __init__(self, found: AsyncIterator[EntryHead]) -> None:
        self._found = found
        self._next: EntryHead | None = None
        self._is_started = False

    async def before(self, account_id: str | None) -> AsyncIterator[EntryHead]:
        """Yields what comes before an account; everything left when it is None."""
        if not self._is_started:
            self._is_started = True
            await self._step()
        while (entry := self._next) is not None:
            if account_id is not None and entry.account_id >= account_id:
                return
            await self._step()
            yield entry

    async def take(self, account_id: str) -> EntryHead | None:
        """Gives the account if it is the next one."""
        entry = self._next
        if entry is None or entry.account_id != account_id:
            return None
        await self._step()
        return entry

    async def _step(self) -> None:
        self._next = await anext(self._found, None)


def _entry_difference(head: HeadRow, entry: EntryHead | None) -> Finding | None:
    events, version = (0, 0) if entry is None else (entry.events, entry.version)
    if version >= head.version and events == version:
        return None
    return Finding(
        check=ENTRIES,
        account_id=head.account_id,
        version=head.version,
        detail=(
            f"Elasticsearch has {events} entries up to version {version}, "
            f"the journal {head.counted} up to {head.version}"
        ),
    )


async def _stranger(audit: Audit, entry: EntryHead) -> Finding | None:
    """Tells of an account that the journal lacks; one opened after the snapshot is none."""
    if await audit.lookup.known_accounts([entry.account_id]):
        return None
    return Finding(
        check=ENTRIES,
        account_id=entry.account_id,
        detail=f"Elasticsearch has {entry.events} entries, the journal none",
    )


def _seen(record: TopicRecord) -> RecordSeen:
    return RecordSeen(
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        version=record.header("ce_version"),
        event_id=record.header("ce_id"),
        digest=record.header("ce_hash"),
    )
