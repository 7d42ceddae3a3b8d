"""`GET /v1/accounts/{id}/holds?min_version=`: the open holds, from whoever knows them.

They are part of the account's balance, so they are routed, waited for and as new as that. The
account's `held` is the sum of what is listed.
"""

from __future__ import annotations

from aiohttp import web

from chronos.wire.balance import Balance
from web.respond import JsonAnswer, Respond, json_answer
from web.routes.shapes import HoldsAnswer
from web.routes.table import HOLDS
from web.routing import Routing


class Holds:
    """Answers for the open holds of one account, as `routing` finds them."""

    def __init__(self, routing: Routing):
        self._routing = routing

    def add_to(self, respond: Respond) -> None:
        """Puts the view on its path."""
        respond.add_view(HOLDS, self.answer)

    async def answer(self, request: web.Request) -> web.Response | JsonAnswer:
        """Answers with the open holds, in the order in which they were placed.

        Raises:
            Refusal: The account or the version is not known here, or not yet.
            Unavailable: Nobody who knows could be asked.
        """
        return await self._routing.answer(request, _shown)


def _shown(balance: Balance, source: str) -> JsonAnswer:
    return json_answer(
        HoldsAnswer(
            account=balance.account_id,
            currency=balance.currency,
            held=balance.held,
            version=balance.version,
            as_of=balance.recorded_at,
            source=source,
            data=balance.holds,
        )
    )
