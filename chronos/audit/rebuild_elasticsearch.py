"""Makes the indices in Elasticsearch anew from the journal, while the mirror goes on.

Phases: make the next generation → fill it, from the topic if one is given → bring it up to one
snapshot and prove it equal to that → move the aliases, in one step → catch up → say that it is
filled.

What the mirror wrote to the old indices before the aliases moved was committed before they
moved. So catching up compares the new indices with the journal as it is afterwards and adds
what they lack; what the mirror adds at the same time is the same documents. A rebuild that is
killed goes on where it was, in whichever phase; old indices are kept until they are dropped.
"""

from __future__ import annotations

from collections.abc import Sequence

from chronos.audit.copies import ElasticsearchCopy
from chronos.audit.fill_from_topic import Topic, fill_from_topic
from chronos.audit.rebuild import (
    Progress,
    RebuildFailed,
    Standing,
    Tally,
    bring_up_all,
    prove,
)
from chronos.errors import InvariantBroken, Unavailable
from chronos.mirror.accounts import AccountIndex
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.entries import Entry, EntryIndex
from chronos.mirror.fill_state import fill_state, mark_filled
from chronos.mirror.generations import Generations, next_alias
from chronos.store.journal_pages import (
    JournalEvent,
    Reached,
    alone,
    open_pages,
    open_pages_at_once,
)
from chronos.wire.balance import Balance
from chronos.wire.topics import Names


async def rebuild_elasticsearch(
    dsn: str, url: str, names: Names, *, progress: Progress, topic: Topic | None = None
) -> dict[str, object]:
    """Makes both indices anew and has them take over.

    Args:
        dsn: PostgreSQL.
        url: Elasticsearch.
        names: The names of the namespace.
        progress: Told how far it is.
        topic: Where events are read first; None: in PostgreSQL alone.

    Returns:
        What was done, in figures and names.

    Raises:
        RebuildFailed: The new indices differ from the journal; they were deleted.
        InvariantBroken: The journal contradicts itself.
        MissingPart: Another rebuild of them is running.
        Unavailable: A server does not answer; running again goes on.
    """
    mirror = ElasticsearchMirror(url, names)
    try:
        async with alone(dsn, f"elasticsearch of {names.namespace}"):
            return await _rebuild(dsn, mirror, Tally(progress), names, topic)
    finally:
        await mirror.close()


async def drop_old_indices(url: str, names: Names) -> list[str]:
    """Deletes the indices that rebuilds kept, and gives their names.

    Raises:
        Unavailable: Elasticsearch does not answer.
    """
    mirror = ElasticsearchMirror(url, names)
    try:
        return await Generations(mirror.client, names).drop_old()
    finally:
        await mirror.close()


async def _rebuild(
    dsn: str, mirror: ElasticsearchMirror, tally: Tally, names: Names, topic: Topic | None
) -> dict[str, object]:
    generations = Generations(mirror.client, names)
    facts: dict[str, object] = {"went_on": True}
    if not await generations.is_catching_up():
        facts = {"went_on": await generations.begin()}
        facts |= await _fill_and_prove(dsn, mirror, tally, names, topic)
        await generations.switch()
    facts["kept"] = await generations.retire_old()
    aliases = (names.entries_alias, names.accounts_alias)
    states = [await fill_state(mirror.client, alias) for alias in aliases]
    async with open_pages(dsn) as pages:
        current = _Indices(mirror.entries, mirror.accounts)
        await bring_up_all(current, pages, tally, phase="catching up")
    for alias, state in zip(aliases, states, strict=True):
        if (await fill_state(mirror.client, alias)).uuid != state.uuid or not state.uuid:
            raise Unavailable("elasticsearch", f"{alias} was lost while it was brought up")
        await mark_filled(mirror.client, state)
    return facts | {"written": tally.events}


async def _fill_and_prove(
    dsn: str, mirror: ElasticsearchMirror, tally: Tally, names: Names, topic: Topic | None
) -> dict[str, object]:
    entries = EntryIndex(mirror.client, next_alias(names.entries_alias), is_read=False)
    accounts = AccountIndex(mirror.client, next_alias(names.accounts_alias))
    shadow = _Indices(entries, accounts)
    if topic is not None:
        await fill_from_topic(topic, shadow, tally)
    async with open_pages(dsn) as pages:
        await bring_up_all(shadow, pages, tally, phase="filling")
    async with open_pages_at_once(dsn) as (pages, scan):
        await bring_up_all(shadow, pages, tally, phase="proving")
        try:
            copy = ElasticsearchCopy(mirror, accounts=accounts)
            report = await prove(scan, dsn, copy, entries)
        except (RebuildFailed, InvariantBroken):
            await Generations(mirror.client, names).abandon()
            raise
    return {"proved": dict(report.counted)}


class _Indices:
    """Both indices of one generation as a shadow."""

    def __init__(self, entries: EntryIndex, accounts: AccountIndex) -> None:
        self._entries = entries
        self._accounts = accounts

    async def standing(self, accounts: Sequence[Reached]) -> Sequence[Standing]:
        """Tells how far both are with each account."""
        names = [account.account_id for account in accounts]
        await self._entries.refresh()
        heads = await self._entries.heads_of(names)
        balances = await self._accounts.read_many(names)
        found: list[Standing] = []
        for name, balance in zip(names, balances, strict=True):
            head = heads.get(name)
            until = 0 if head is None else head.events
            if head is not None and head.events != head.version:
                until = await self._whole_until(name, head.events)
            found.append(Standing(balance=balance, events_until=until))
        return found

    async def write(self, events: Sequence[JournalEvent], balances: Sequence[Balance]) -> None:
        """Adds the entries, then the balances that include them."""
        await self._entries.write_many([_entry(event) for event in events])
        await self._accounts.write_many(balances)

    async def _whole_until(self, account_id: str, version: int) -> int:
        """Goes down from a version, in growing steps, to one with no gap below it."""
        step = 1
        while version > 0 and not await self._entries.has_all_until(account_id, version):
            version, step = version - step, step * 2
        return max(0, version)


def _entry(event: JournalEvent) -> Entry:
    return Entry(
        event_id=event.event_id,
        account_id=event.account_id,
        version=event.version,
        recorded_at=event.recorded_at,
        body=event.body,
        digest=event.hash,
    )
