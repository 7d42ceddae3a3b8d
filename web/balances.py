"""`GET /v1/accounts/{id}/balance?min_version=`: the balance, from whoever knows it."""

from __future__ import annotations

from aiohttp import web

from chronos.wire.balance import Balance
from web.respond import JsonAnswer, Respond, json_answer
from web.routes.shapes import BalanceAnswer
from web.routes.table import BALANCE
from web.routing import Routing


class Balances:
    """Answers for the balance of one account, as `routing` finds it."""

    def __init__(self, routing: Routing):
        self._routing = routing

    def add_to(self, respond: Respond) -> None:
        """Puts the view on its path."""
        respond.add_view(BALANCE, self.answer)

    async def answer(self, request: web.Request) -> web.Response | JsonAnswer:
        """Answers with the balance.

        Raises:
            Refusal: The account or the version is not known here, or not yet.
            Unavailable: Nobody who knows could be asked.
        """
        return await self._routing.answer(request, _shown)


def _shown(balance: Balance, source: str) -> JsonAnswer:
    return json_answer(
        BalanceAnswer(
            account=balance.account_id,
            currency=balance.currency,
            booked=balance.booked,
            held=balance.held,
            available=balance.available,
            overdraft_limit=balance.overdraft_limit,
            status=balance.status,
            version=balance.version,
            as_of=balance.recorded_at,
            source=source,
        )
    )
