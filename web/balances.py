"""`GET /v1/accounts/{id}/balance?min_version=`: the balance, from whoever knows it."""

from __future__ import annotations

import msgspec
from aiohttp import web

from chronos.wire.balance import Balance
from web.respond import Respond, json_answer
from web.routing import Routing

PATH = "/v1/accounts/{account_id}/balance"


class BalanceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer's JSON; amounts in minor units."""

    account: str
    currency: str
    booked: int
    held: int
    available: int
    overdraft_limit: int | None
    status: str
    version: int
    as_of: str
    source: str


class Balances:
    """Answers for the balance of one account, as `routing` finds it."""

    def __init__(self, routing: Routing):
        self._routing = routing

    def add_to(self, respond: Respond) -> None:
        """Puts the view on its path."""
        respond.add_view(PATH, self.answer, name="balance")

    async def answer(self, request: web.Request) -> web.Response:
        """Answers with the balance.

        Raises:
            Refusal: The account or the version is not known here, or not yet.
            Unavailable: Nobody who knows could be asked.
        """
        return await self._routing.answer(request, _shown)


def _shown(balance: Balance, source: str) -> web.Response:
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
