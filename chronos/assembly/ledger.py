"""Composition of the ledger, the same for every process that executes commands."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from chronos.clock import SystemIds
from chronos.ledger.booking import Bookkeeper
from chronos.ledger.needs import needs_of
from chronos.ledger.service import Ledger
from chronos.settings import Settings
from chronos.store.event_store import Rules
from chronos.store.opening import Store
from chronos.wire.topics import Names


def ledger_rules(settings: Settings) -> Rules:
    """Gives what a store needs to know of the ledger before it is opened."""
    zone = ZoneInfo(settings.time_zone)
    bookkeeper = Bookkeeper(
        ids=SystemIds(),
        names=Names(settings.namespace),
        partitions=settings.partitions,
        shards=settings.relay_shards,
        zone=zone,
    )
    return Rules(needs_of=needs_of, book_in_parts=bookkeeper.book_in_parts, zone=zone)


def ledger_on(store: Store) -> Ledger:
    """Gives the ledger on an open store."""
    return Ledger(store.journal, store.references)
