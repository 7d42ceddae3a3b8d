"""Bugs that somebody might write, planted by patches: each breaks one rule of the product."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import msgspec

import chronos.wire.balance
from agents import balances, index_source
from agents.balances import BalancesAgent
from agents.index_source import Source
from agents.relay import Relay
from chronos.errors import Unavailable
from chronos.mirror import accounts, indices
from chronos.mirror import redis as redis_mirror
from chronos.mirror.entries import Entry
from chronos.mirror.entry_gaps import EntryGaps
from chronos.mirror.fill_state import FillState
from chronos.mirror.marker import FILLING, FilledMark
from chronos.store import event_store, outbox, outbox_statements
from chronos.store.outbox import ShardHold
from chronos.store.outbox_cursor import Cursor, Row, Snapshot
from chronos.store.outbox_reader import Page, ShardReader
from chronos.stream.taking import Pages

Planting = Callable[[ExitStack], None]
_BEGINNING = Snapshot(1, 1, ())


def _patch(stack: ExitStack, target: Any, name: str, bug: Any) -> None:
    stack.enter_context(mock.patch.object(target, name, bug))


def marks_before_the_ack(stack: ExitStack) -> None:
    """The relay says that a page is published when it begins to send it."""
    right = Relay.publish

    async def publish(relay: Relay, page: Page) -> None:
        page.published.set()
        page.is_begun = True
        try:
            await relay._publisher.publish(page.rows)
        except Unavailable:
            page.published.clear()
            await right(relay, page)

    _patch(stack, Relay, "publish", publish)


def polls_by_position(stack: ExitStack) -> None:
    """The relay asks for rows past the last position that it saw, as `id > last` does."""

    async def page(
        hold: ShardHold, cursor: Cursor, target: Snapshot, rows_max: int
    ) -> tuple[list[Row], Cursor]:
        last = cursor.last_position or 0
        rows = await hold._rows(
            outbox_statements.BACKLOG, hold.shard, last, target, _BEGINNING, rows_max
        )
        last = rows[-1].position if rows else last
        return rows, Cursor(snapshot=target, last_position=last)

    _patch(stack, ShardHold, "page", page)


def forgets_long_transactions(stack: ExitStack) -> None:
    """The head has the transactions that began since, not those that were open and ended."""
    _patch(stack, Snapshot, "ended_since", lambda _new, _old: [])


def keeps_the_position_of_a_window(stack: ExitStack) -> None:
    """A window's last position is kept for the next one, as if it were a watermark."""
    right = ShardHold.page

    async def page(
        hold: ShardHold, cursor: Cursor, target: Snapshot, rows_max: int
    ) -> tuple[list[Row], Cursor]:
        rows, after = await right(hold, cursor, target, rows_max)
        known = cursor.last_position or 0
        if cursor.frozen is None:
            rows = [row for row in rows if row.position > known]
        last = max([row.position for row in rows], default=known)
        return rows, replace(after, last_position=last)

    _patch(stack, ShardHold, "page", page)


def reads_on_without_waiting(stack: ExitStack) -> None:
    """The reader forgets a page that was refused and goes on with the next one."""

    async def settle(reader: ShardReader) -> None:
        page = reader._on_its_way
        if page is not None:
            reader._published, reader._on_its_way = page.after, None
            reader._published_rows += len(page.rows)

    _patch(stack, ShardReader, "_settle", settle)


def relays_without_the_lock(stack: ExitStack) -> None:
    """Whoever is assigned a shard reads it, whether it got the shard's lock or not."""

    async def lock(_connection: Any, _shard: int, _held_epoch: int | None) -> int:
        return 0

    _patch(stack, outbox, "_lock", lock)


def commands_without_locks(stack: ExitStack) -> None:
    """Commands lock no account. No bug for the money: unique keys turn it into lost races."""
    right = event_store.begin_and_lock
    _patch(stack, event_store, "begin_and_lock", lambda _, tried: right((), tried))


def folds_without_a_guard(stack: ExitStack) -> None:
    """The table applies whatever comes, whether it has it already or not."""

    async def take_one(
        _agent: BalancesAgent, folded: Any, tally: Any, record: Any, head: Any
    ) -> None:
        body = record.value or b""
        recorded = balances._decoded(body, head.account_id)
        if recorded is not None:
            folded.apply(record.partition, recorded, body, head.digest)
            tally.applied += 1

    _patch(stack, BalancesAgent, "_take_one", take_one)
    _patch(stack, chronos.wire.balance, "violation", lambda _before, _event: None)
    _patch(stack, chronos.wire.balance, "_unlike_its_hold", lambda _before, _event: None)
    _patch(stack, chronos.wire.balance, "event_hash", _Anything)


class _Anything:
    """Agrees with every hash."""

    def __init__(self, *_: Any):
        pass

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]


def acknowledges_first(stack: ExitStack) -> None:
    """A batch is acknowledged before its effect is there."""
    right = Pages.take

    async def take(waiting: Pages) -> list[Any]:
        pages = await right(waiting)
        for page in pages:
            page.ack()
        return pages

    async def fill(_: EntryGaps, entries: Sequence[Entry]) -> dict[str, int]:
        return {entry.account_id: entry.version for entry in entries}

    _patch(stack, Pages, "take", take)
    # The second net: what the index lacks is missed at the next event of its account.
    _patch(stack, EntryGaps, "fill", fill)


def writes_redis_plainly(stack: ExitStack) -> None:
    """Redis takes what comes last, not what is newest."""
    _patch(stack, redis_mirror, "_WRITE_IF_NEWER", b"return redis.call('HSET', ...)")
    _patch(stack, redis_mirror, "_WRITE_IF_NEWER_SHA", "plain")


def indexes_without_a_version(stack: ExitStack) -> None:
    """Elasticsearch takes what comes last, not what is newest."""
    right = accounts._to_document

    def to_document(balance: Any) -> Any:
        document = right(balance)
        action = msgspec.json.encode({"index": {"_id": balance.account_id}})
        return msgspec.structs.replace(document, action=action)

    _patch(stack, accounts, "_to_document", to_document)


def marks_redis_after_a_loss(stack: ExitStack) -> None:
    """Redis is marked as filled although it lost, while it was filled, what it had."""
    right = FilledMark.set

    async def set_mark(mark: FilledMark) -> bool:
        await mark._client.set(mark._key, FILLING)
        return await right(mark)

    _patch(stack, FilledMark, "set", set_mark)


def looks_for_no_loss(stack: ExitStack) -> None:
    """A lost index is noticed by a failure alone, which may be another batch's."""
    _patch(stack, Source, "watch", lambda *_: None)


def asks_not_which_index_it_filled(stack: ExitStack) -> None:
    """The index that is there at the end of a filling is marked, whichever it is."""
    right, mark = index_source.fill_state, index_source.mark_filled

    async def state(client: Any, alias: str) -> FillState:
        found = await right(client, alias)
        return found._replace(uuid="any" if found.uuid else "")

    async def mark_any(client: Any, filled: FillState) -> None:
        await mark(client, await right(client, filled.name))

    _patch(stack, index_source, "fill_state", state)
    _patch(stack, index_source, "mark_filled", mark_any)


def takes_an_older_index_back(stack: ExitStack) -> None:
    """Where there is no current index, the newest that is there becomes it."""
    right = indices.create_index

    async def create(client: Any, alias: str, **how: Any) -> str | None:
        there = await indices.generations(client, alias)
        if not there:
            return await right(client, alias, **how)
        newest = max(there, key=lambda one: one.number).name
        await client.indices.update_aliases(
            actions=[{"add": {"index": newest, "alias": alias}}]
        )
        return newest

    _patch(stack, indices, "create_index", create)


def waits_for_a_dead_rebuild(stack: ExitStack) -> None:
    """What a rebuild put there is left to it for ever."""
    _patch(stack, Source, "_is_left_to_a_rebuild", lambda _, state: state.is_catching_up)


EVERY: tuple[Planting, ...] = (
    marks_before_the_ack,
    polls_by_position,
    forgets_long_transactions,
    keeps_the_position_of_a_window,
    reads_on_without_waiting,
    relays_without_the_lock,
    folds_without_a_guard,
    acknowledges_first,
    writes_redis_plainly,
    indexes_without_a_version,
    marks_redis_after_a_loss,
    looks_for_no_loss,
    asks_not_which_index_it_filled,
    takes_an_older_index_back,
    waits_for_a_dead_rebuild,
)


@contextmanager
def planted(bug: Planting) -> Iterator[None]:
    """Has a bug in the product for a while."""
    with ExitStack() as stack:
        bug(stack)
        yield
