"""Lists of accounts and the search among them, from Elasticsearch."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from chronos.domain.account import AccountStatus
from chronos.domain.chart import AccountKind
from chronos.errors import Unavailable
from chronos.mirror.accounts import AccountIndex, AccountQuery
from chronos.mirror.guard import SearchRefused
from chronos.wire.balance import Balance
from chronos.wire.cursors import Cursors
from web.narrowing import read_currency, read_external_id, read_metadata
from web.paging import Paging, search_unavailable
from web.parameters import Parameters, invalid
from web.respond import JsonAnswer, Respond, json_answer
from web.routes.table import ACCOUNTS

_KINDS = frozenset(kind.value for kind in AccountKind)
_STATUSES = frozenset(status.label for status in AccountStatus)


class Accounts:
    """Answers for lists of accounts.

    Args:
        accounts: The index of accounts.
        secret: Seals cursors; the same in every worker.
    """

    def __init__(self, accounts: AccountIndex, *, secret: bytes):
        self._accounts = accounts
        self._cursors = Cursors(secret, list_name="accounts")

    def add_to(self, respond: Respond) -> None:
        """Puts the view on its path."""
        respond.add_view(ACCOUNTS, self.answer)

    async def answer(self, request: web.Request) -> JsonAnswer:
        """Answers with one page of accounts, by account id.

        Raises:
            Refusal: A parameter cannot be used, or Elasticsearch is not there.
        """
        parameters = Parameters(request, ACCOUNTS.names, ACCOUNTS.groups)
        query = _query(parameters)
        paging = Paging.read(parameters, self._cursors)
        try:
            rows = await self._accounts.page(
                query, after_account=paging.name, rows_max=paging.rows_max + 1
            )
        except Unavailable as fault:
            raise search_unavailable(fault) from fault
        except SearchRefused as refusal:
            raise invalid("q", "cannot be searched for") from refusal
        page = rows[: paging.rows_max]
        return json_answer(
            {
                "data": [account_document(balance) for balance in page],
                "page": paging.document(page[-1].account_id if len(rows) > len(page) else None),
            }
        )


def account_document(balance: Balance) -> dict[str, Any]:
    """Gives the members of an account's document, named as the command endpoint names them."""
    return {
        "id": balance.account_id,
        "currency": balance.currency,
        "kind": balance.kind.value,
        "status": balance.status,
        "overdraft_limit": balance.overdraft_limit,
        "external_id": balance.external_id,
        "metadata": balance.metadata,
        "opened_at": balance.opened_at,
        "version": balance.version,
        "booked": balance.booked,
        "held": balance.held,
        "available": balance.available,
        "as_of": balance.recorded_at,
    }


def _query(parameters: Parameters) -> AccountQuery:
    return AccountQuery(
        kind=parameters.one_of("kind", _KINDS),
        status=parameters.one_of("status", _STATUSES),
        currency=read_currency(parameters),
        external_id=read_external_id(parameters),
        metadata=read_metadata(parameters),
        text=parameters.text("q"),
    )
