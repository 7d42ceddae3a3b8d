"""The trial balance: every account's booked balance, by currency and kind, at any moment."""

from __future__ import annotations

from collections import defaultdict

from chronos.api.answer import Answer, json_answer
from chronos.api.answers import TrialBalance, TrialBalanceLine
from chronos.api.exchange import Exchange, Services
from chronos.api.query import AT
from chronos.domain.chart import CHART, AccountKind
from chronos.store import books
from chronos.wire.codec import format_instant


async def show_trial_balance(services: Services, exchange: Exchange) -> Answer:
    """Answers `GET /v1/trial-balance`."""
    found = await services.books.trial_balance(exchange.query[AT])
    totals: dict[str, int] = defaultdict(int)
    for line in found.lines:
        totals[line.currency] += line.booked
    return json_answer(
        TrialBalance(
            at=format_instant(found.at),
            final=found.is_final,
            balanced=not any(totals.values()),
            totals=totals,
            lines=tuple(_line(line) for line in found.lines),
        )
    )


def _line(line: books.TrialBalanceLine) -> TrialBalanceLine:
    kind = AccountKind(line.kind)
    chart = CHART[kind]
    return TrialBalanceLine(
        currency=line.currency,
        kind=kind,
        account_class=chart.account_class,
        normal_side=chart.normal_side,
        accounts=line.accounts,
        booked=line.booked,
        debit=max(0, -line.booked),
        credit=max(0, line.booked),
    )
