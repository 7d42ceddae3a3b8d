"""The demo on a running pipeline: a day, its evening, and a verdict."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from chronos.audit.reconcile import Targets
from chronos.client.exchange import Patience
from chronos.client.ledger_client import LedgerClient
from chronos.clock import Clock
from chronos.demo.bank_day import WORKERS, BankDayRun
from chronos.demo.counter import CounterRun
from chronos.demo.evening import spend_evening
from chronos.demo.screen import DayScreen
from chronos.demo.script import write_day

REQUEST_DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlan:
    """Which day."""

    seed: int
    transfers: int
    suffix: str
    """Ends every name, so that a bank that is kept can see many days."""


async def run_day(plan: DemoPlan, targets: Targets, *, screen: DayScreen, clock: Clock) -> bool:
    """Plays a day and compares everything; tells whether all went as written.

    Raises:
        ChronosError: A server stopped answering.
    """
    day = write_day(seed=plan.seed, transfers=plan.transfers, suffix=plan.suffix)
    screen.say(
        f"\nA bank's day: {len(day.openings):,} accounts, {day.transfers:,} transfers, "
        f"seed {plan.seed}\n"
    )
    client = LedgerClient(
        targets.doors,
        connections_max=WORKERS,
        patience=Patience(deadline_s=REQUEST_DEADLINE_S),
    )
    async with client:
        with screen.progress(day) as advance:
            outcome = await BankDayRun(day, client, clock=clock, advance=advance).play()
        screen.show_day(outcome)
        told = await CounterRun(client, clock=clock, suffix=plan.suffix, seed=plan.seed).play()
        screen.show_counter(told)
        screen.say("waiting for the read models, then comparing every account …")
        expected = Counter(day.expected)
        expected.update(told.expected)
        evening = await spend_evening(day, expected, targets, client, clock=clock)
    screen.show_evening(evening)
    return evening.is_clean and not outcome.surprises_total and not told.surprises
