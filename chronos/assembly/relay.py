"""Puts the relay worker together: the relay, the expiry of holds, and their health."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from agents import expiry, relay
from agents.expiry import Bank
from chronos.assembly.ledger import ledger_on, ledger_rules
from chronos.audit.topic_end import prove_topic_end
from chronos.settings import Settings
from chronos.store.due_holds import DueHoldReads, DueHolds
from chronos.store.group_commit import Limits
from chronos.store.opening import Sizes, open_store
from chronos.stream.app import ChronosApp
from web import health

_READ_CONNECTIONS_MAX = 4
_DRAIN_S = 5.0


def add_relay(app: ChronosApp) -> None:
    """Registers everything that a relay worker does with its app, which must not run yet."""
    settings = app.settings

    @asynccontextmanager
    async def open_bank() -> AsyncIterator[Bank]:
        async with open_store(
            settings.writer_dsn,
            ledger_rules(settings),
            _expiry_sizes(settings),
            name=f"chronos-expiry-{settings.slot}",
        ) as store:
            yield Bank(ledger=ledger_on(store), due=DueHolds(DueHoldReads(store.pool)))

    relaying = relay.register(
        app,
        prove_topic_end=partial(
            prove_topic_end, settings.postgres_dsn, settings.kafka, app.names
        ),
    )
    expiring = expiry.register(app, open_bank)
    health.register(app, ready=relaying.not_ready, reports={"hold_expiry": expiring.report})


def _expiry_sizes(settings: Settings) -> Sizes:
    return Sizes(
        lanes=expiry.LANES,
        reader_connections_max=_READ_CONNECTIONS_MAX,
        limits=Limits(
            # Those of a page that was given up may still be under way.
            pending_max=2 * expiry.IN_FLIGHT_MAX,
            batch_max=settings.batch_commands_max,
            deadline_s=settings.command_deadline_s,
            drain_s=min(_DRAIN_S, settings.drain_s),
        ),
    )
