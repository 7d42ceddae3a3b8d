"""What a person sees of a bank's day: progress, one table, what to try next.

Looks the same in substance on a terminal and in a file: colours, bars and boxes go away where
there is no terminal, words stay. Nothing is wider than 100 columns, and it fits into 80.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from chronos.client.answers import TrialBalanceLine
from chronos.client.statements import StatementPage
from chronos.demo.bank_day import DayOutcome
from chronos.demo.counter import Told
from chronos.demo.evening import (
    ELASTICSEARCH,
    FAUST,
    KAFKA,
    MODELS,
    POSTGRES,
    REDIS,
    SEARCH,
    Evening,
    Row,
)
from chronos.demo.script import CURRENCY, BankDay, Phase
from chronos.domain.currency import format_amount

WIDTH_MAX = 100
ROOMY_WIDTH = 96
PLAIN_STEP = 5_000
FINDINGS_SHOWN_MAX = 10


class DayScreen:
    """Prints a bank's day."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._console.width = min(self._console.width, WIDTH_MAX)

    def say(self, text: str) -> None:
        """Prints a line as it is."""
        self._console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def progress(self, day: BankDay) -> Iterator[Callable[[Phase, int], None]]:
        """Shows how far each part of the day is; gives what to call after each request."""
        totals = {Phase.OPEN: len(day.openings)}
        totals |= {phase: len(part) for phase, part in day.payments.items()}
        totals[Phase.RETRY] = len(day.retries)
        if not self._console.is_terminal:
            yield self._plain_progress(totals)
            return
        with Progress(
            TextColumn("  {task.description:<20}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
        ) as bars:
            tasks = {
                phase: bars.add_task(phase.value, total=total, start=False)
                for phase, total in totals.items()
            }

            def advance(phase: Phase, count: int) -> None:
                if not bars.tasks[tasks[phase]].started:
                    bars.start_task(tasks[phase])
                bars.advance(tasks[phase], count)

            yield advance

    def _plain_progress(self, totals: dict[Phase, int]) -> Callable[[Phase, int], None]:
        done = dict.fromkeys(totals, 0)

        def advance(phase: Phase, count: int) -> None:
            before, done[phase] = done[phase], done[phase] + count
            is_last = done[phase] == totals[phase]
            if is_last or done[phase] // PLAIN_STEP > before // PLAIN_STEP:
                of = "" if is_last else f" of {totals[phase]:,}"
                self.say(f"  {phase.value:<20} {done[phase]:>7,}{of}")

        return advance

    def show_day(self, outcome: DayOutcome) -> None:
        """Prints what the bank answered."""
        self.say(
            f"\n{outcome.booked:,} transfers booked, "
            f"{outcome.transfers_per_second:,.0f} a second\n"
            f"the salaries in {outcome.batches:,} batches, "
            f"{outcome.refused:,} overdrafts refused,\n"
            f"{outcome.replayed:,} retries answered "
            "with their first receipt"
        )
        if outcome.attempts_repeated:
            self.say(f"{outcome.attempts_repeated:,} requests were sent again after a fault")
        for sentence in outcome.surprises:
            self.say(f"  UNEXPECTED {sentence}")

    def show_counter(self, told: Told) -> None:
        """Prints what happened at the counter, and the guest's statement."""
        self.say("\nAt the counter:")
        for sentence in told.sentences:
            self.say(f"  {sentence}")
        for sentence in told.surprises:
            self.say(f"  UNEXPECTED {sentence}")
        if told.statement is not None:
            self._console.print()
            self._console.print(_statement(told.statement))

    def show_evening(self, evening: Evening) -> None:
        """Prints the read models side by side, how fast they follow, and the proofs."""
        self._console.print()
        console = self._console
        console.print(_table(evening, terminal=console.is_terminal, width=console.width))
        followed = ((KAFKA, "the topic"), (SEARCH, "a search of the history"))
        parts = [f"{text} {_ms(evening, name)}" for name, text in followed]
        self.say(f"also followed: {', '.join(parts)}")
        self._show_trial_balance(evening)
        self.say("")
        for report in (evening.reconciled, evening.verified):
            for line in report.lines()[: FINDINGS_SHOWN_MAX + 1]:
                self.say(line)
        for sentence in evening.arithmetic[:FINDINGS_SHOWN_MAX]:
            self.say(f"  WRONG {sentence}")
        self.say(_verdict(evening))

    def _show_trial_balance(self, evening: Evening) -> None:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
        table.title = "Trial balance"
        for name in ("currency", "kind", "class"):
            table.add_column(name)
        for name in ("accounts", "debit", "credit"):
            table.add_column(name, justify="right")
        lines = evening.trial_balance.lines
        for currency in dict.fromkeys(line.currency for line in lines):
            mine = [line for line in lines if line.currency == currency]
            for line in mine:
                _add_line(table, line.kind, line.account_class, [line])
            _add_line(table, "sum", "", mine)
            table.add_section()
        self._console.print()
        self._console.print(table)


def _add_line(table: Table, kind: str, word: str, lines: Sequence[TrialBalanceLine]) -> None:
    currency = lines[0].currency
    table.add_row(
        currency,
        kind,
        word,
        f"{sum(line.accounts for line in lines):,}",
        _money(sum(line.debit for line in lines), currency),
        _money(sum(line.credit for line in lines), currency),
    )


def _statement(page: StatementPage) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    table.title = f"Statement of {page.account} in {page.currency}"
    table.add_column("booked on", no_wrap=True)
    table.add_column("for", overflow="fold")
    table.add_column("amount", justify="right", no_wrap=True)
    table.add_column("balance", justify="right", no_wrap=True)
    table.add_row("", "opening balance", "", _money(page.opening_balance))
    for line in page.data:
        day, words = line.booking_date.isoformat(), line.description or ""
        table.add_row(day, words, _money(line.amount), _money(line.booked_after))
    table.add_row("", "closing balance", "", _money(page.closing_balance))
    return table


def _table(evening: Evening, *, terminal: bool, width: int) -> Table:
    padding = (0, 1) if width >= ROOMY_WIDTH else (0, 0)
    table = Table(box=box.SIMPLE_HEAD, padding=padding, pad_edge=False, title_justify="left")
    table.title = f"Balances in {CURRENCY}, model by model"
    table.add_column("account", overflow="fold")
    for name in MODELS:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("vers.", justify="right")
    for row in evening.rows:
        style = None if row.agrees or not terminal else "bold red"
        cells = [_cell(row, name) for name in MODELS]
        table.add_row(row.account_id, *cells, _versions(row), style=style)
    table.add_section()
    followed = [_ms(evening, name) for name in (FAUST, REDIS, ELASTICSEARCH)]
    table.add_row("followed in", "commit", *followed, "")
    return table


def _cell(row: Row, name: str) -> str:
    shown = row.shown[name]
    return "none" if shown is None else _money(shown.booked)


def _versions(row: Row) -> str:
    """Gives the version once when all agree, else model by model."""
    versions = [
        "-" if (shown := row.shown[name]) is None else str(shown.version) for name in MODELS
    ]
    return versions[0] if len(set(versions)) == 1 else "/".join(versions)


def _money(amount: int, currency: str = CURRENCY) -> str:
    whole, point, cents = format_amount(abs(amount), currency).partition(".")
    return f"{'-' if amount < 0 else ''}{int(whole):,}{point}{cents}"


def _ms(evening: Evening, name: str) -> str:
    median = evening.following.median_ms(name)
    return "did not follow" if median is None else f"{median:,.0f} ms"


def _verdict(evening: Evening) -> str:
    if not evening.is_clean:
        return "NOT ALL READ MODELS AGREE"
    accounts = evening.reconciled.counted["accounts"]
    return (
        f"all {accounts:,} accounts agree in {POSTGRES}, {KAFKA}, the {FAUST}, {REDIS}\n"
        f"and {ELASTICSEARCH}, and with the script's own arithmetic"
    )
