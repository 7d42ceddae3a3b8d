"""What commands refer to without naming it, as the real store finds it."""

from __future__ import annotations

from chronos.domain.chart import AccountKind
from chronos.wire.references import Wanted
from tests.builders import attempt, open_account
from tests.commands import close, freeze
from tests.journals import store_on


async def test_a_position_account_that_is_closed_or_frozen_is_passed_over(database):
    async with store_on(database.writer_dsn) as store:
        for name in ("old", "cold", "open", "newer"):
            command = open_account(name, kind=AccountKind.POSITION, currency="CHF")
            await store.journal.submit(attempt(command, f"open-{name}"))
        wanted = Wanted(currencies=("CHF", "SEK"))

        first = await store.references.refer(wanted)
        await store.journal.submit(attempt(close("old"), "close"))
        await store.journal.submit(attempt(freeze("cold"), "freeze"))
        later = await store.references.refer(wanted)

    assert first.positions == {"CHF": "old"}
    assert later.positions == {"CHF": "open"}
