"""Makes the balances in Redis anew from the journal, while they are read and written.

Phases: fill a new generation of keys, from the topic if one is given → bring it up to one
snapshot and prove it equal to that → have it take over, key by key → set aside what the journal
does not know.

Just before an account takes over, its new hash is brought up to the journal once more. So a
current hash that is newer still was written by a worker in that instant, and stays; one that
claims a version beyond the journal's newest is nobody's, and goes. A rebuild that is killed
goes on where it was; what was replaced is kept until it is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from chronos.audit.copies import RedisCopy
from chronos.audit.fill_from_topic import Topic, fill_from_topic
from chronos.audit.rebuild import (
    Progress,
    RebuildFailed,
    Standing,
    Tally,
    bring_up,
    bring_up_all,
    patiently,
    prove,
)
from chronos.errors import InvariantBroken
from chronos.mirror.redis import RedisMirror
from chronos.mirror.redis_switch import NEW, OLD, BalanceSwitch
from chronos.store.journal_pages import (
    JournalEvent,
    JournalPages,
    Reached,
    alone,
    open_pages,
    open_pages_at_once,
)
from chronos.store.journal_scan import open_lookup
from chronos.wire.balance import Balance
from chronos.wire.topics import Names


async def rebuild_redis(
    dsn: str, url: str, names: Names, *, progress: Progress, topic: Topic | None = None
) -> dict[str, object]:
    """Makes all balances anew and has them take over.

    Args:
        dsn: PostgreSQL.
        url: Redis.
        names: The names of the namespace.
        progress: Told how far it is.
        topic: Where events are read first; None: in PostgreSQL alone.

    Returns:
        What was done, in figures.

    Raises:
        RebuildFailed: The new balances differ from the journal; they were deleted.
        InvariantBroken: The journal contradicts itself.
        MissingPart: Another rebuild of them is running.
        Unavailable: A server does not answer; running again goes on.
    """
    switch = BalanceSwitch(url, names)
    mirror = RedisMirror(url, names, generation=NEW)
    try:
        async with alone(dsn, f"redis of {names.namespace}"):
            return await _Rebuild(dsn, switch, mirror, Tally(progress)).run(topic)
    finally:
        await mirror.close()
        await switch.close()


async def drop_old_balances(url: str, names: Names) -> int:
    """Deletes the balances that rebuilds replaced and kept; gives how many there were.

    Raises:
        Unavailable: Redis does not answer.
    """
    switch = BalanceSwitch(url, names)
    try:
        return await switch.delete(OLD)
    finally:
        await switch.close()


class _Rebuild:
    """One run."""

    def __init__(
        self, dsn: str, switch: BalanceSwitch, mirror: RedisMirror, tally: Tally
    ) -> None:
        self._dsn = dsn
        self._switch = switch
        self._mirror = mirror
        self._shadow = _Balances(mirror)
        self._tally = tally

    async def run(self, topic: Topic | None) -> dict[str, object]:
        """Goes through all phases that are left."""
        facts: dict[str, object] = {"went_on": True}
        if not await self._switch.is_under_way():
            facts = {"went_on": False, "proved": await self._fill_and_prove(topic)}
            await self._switch.begin()
        async with open_pages(self._dsn) as pages:
            facts["took_over"] = await self._take_over(pages)
        facts["set_aside"] = await self._set_strangers_aside()
        await self._switch.end()
        return facts | {"folded": self._tally.events}

    async def _fill_and_prove(self, topic: Topic | None) -> dict[str, int]:
        try:
            if topic is not None:
                await fill_from_topic(topic, self._shadow, self._tally)
            async with open_pages(self._dsn) as pages:
                await bring_up_all(self._shadow, pages, self._tally, phase="filling")
            async with open_pages_at_once(self._dsn) as (pages, scan):
                await bring_up_all(self._shadow, pages, self._tally, phase="proving")
                report = await prove(scan, self._dsn, RedisCopy(self._mirror))
        except (RebuildFailed, InvariantBroken):
            await self._switch.delete(NEW)
            raise
        return dict(report.counted)

    async def _take_over(self, pages: JournalPages) -> int:
        total, done, moved = await pages.count_events(), 0, 0
        self._tally.progress("taking over", 0, total)
        async for accounts in pages.reached():
            moved += await patiently(partial(self._move, pages, accounts))
            done += sum(one.version for one in accounts)
            self._tally.progress("taking over", min(done, total), total)
        return moved

    async def _move(self, pages: JournalPages, accounts: Sequence[Reached]) -> int:
        names = await self._switch.with_new([one.account_id for one in accounts])
        if not names:
            return 0
        # In this order: what a worker wrote is in the journal before it is here.
        claimed = await self._switch.current_versions(names)
        reached = await pages.reached_by(names)
        self._tally.events += await bring_up(self._shadow, pages, reached)
        newest = dict(reached)
        unfounded = {
            name: version
            for name, version in claimed.items()
            if not _is_version(version) or int(version) > newest.get(name, 0)
        }
        return await self._switch.switch(names, unfounded)

    async def _set_strangers_aside(self) -> int:
        aside = 0
        async with open_lookup(self._dsn) as lookup:
            async for names in self._switch.account_ids():
                known = await lookup.known_accounts([name for name in names if _is_sql(name)])
                aside += await self._switch.set_aside([n for n in names if n not in known])
        return aside


class _Balances:
    """The new generation as a shadow; it keeps no events."""

    def __init__(self, mirror: RedisMirror) -> None:
        self._mirror = mirror

    async def standing(self, accounts: Sequence[Reached]) -> Sequence[Standing]:
        """Tells how far it is with each account."""
        found = await self._mirror.read_many([account.account_id for account in accounts])
        return [
            Standing(balance=one, events_until=0 if one is None else one.version)
            for one in found
        ]

    async def write(self, events: Sequence[JournalEvent], balances: Sequence[Balance]) -> None:
        """Takes balances."""
        del events
        await self._mirror.write_many(balances)


def _is_version(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 16


def _is_sql(name: str) -> bool:
    """Tells whether a key's end is text that PostgreSQL can be asked for."""
    return name.isprintable() and name.isascii()
