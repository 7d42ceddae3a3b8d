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
from web.history import (
    PAGE_ROWS,
    PAGE_ROWS_MAX,
    invalid_cursor,
    open_cursor,
    search_unavailable,
)
from web.parameters import Parameters, invalid
from web.respond import Respond, json_answer

PATH = "/v1/accounts"
EXTERNAL_ID_CHARACTERS_MAX = 255
METADATA_KEY_CHARACTERS_MAX = 64
METADATA_FILTERS_MAX = 16
_KNOWN = frozenset({"kind", "status", "currency", "external_id", "q", "cursor", "limit"})
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
        respond.add_view(PATH, self.answer, name="accounts")

    async def answer(self, request: web.Request) -> web.Response:
        """Answers with one page of accounts, by account id.

        Raises:
            Refusal: A parameter cannot be used, or Elasticsearch is not there.
        """
        parameters = Parameters(request, _KNOWN, groups=("metadata",))
        query = _query(parameters)
        filters = _filters(query)
        rows_max = parameters.whole("limit", low=1, high=PAGE_ROWS_MAX) or PAGE_ROWS
        after = self._after(parameters, filters)
        try:
            rows = await self._accounts.page(query, after_account=after, rows_max=rows_max + 1)
        except Unavailable as fault:
            raise search_unavailable(fault) from fault
        except SearchRefused as refusal:
            raise invalid("q", "cannot be searched for") from refusal
        page = rows[:rows_max]
        has_more = len(rows) > rows_max
        following = self._cursors.seal(page[-1].account_id, filters) if has_more else None
        return json_answer(
            {
                "data": [account_document(balance) for balance in page],
                "page": {"next": following, "has_more": has_more},
            }
        )

    def _after(self, parameters: Parameters, filters: dict[str, str]) -> str | None:
        cursor = parameters.text("cursor", length_max=PAGE_ROWS_MAX * 5)
        if cursor is None:
            return None
        place = open_cursor(self._cursors, cursor, filters)
        if not isinstance(place, str):
            raise invalid_cursor()
        return place


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
    metadata = parameters.group("metadata")
    if len(metadata) > METADATA_FILTERS_MAX:
        raise invalid("metadata", f"takes at most {METADATA_FILTERS_MAX} keys")
    if any(len(key) > METADATA_KEY_CHARACTERS_MAX for key in metadata):
        raise invalid(
            "metadata", f"takes keys of 1 to {METADATA_KEY_CHARACTERS_MAX} characters"
        )
    currency = parameters.text("currency", length_max=3)
    if currency is not None and not (
        len(currency) == 3 and currency.isascii() and currency.isupper()
    ):
        raise invalid("currency", "takes an ISO 4217 code such as EUR")
    return AccountQuery(
        kind=parameters.one_of("kind", _KINDS),
        status=parameters.one_of("status", _STATUSES),
        currency=currency,
        external_id=parameters.text("external_id", length_max=EXTERNAL_ID_CHARACTERS_MAX),
        metadata=metadata,
        text=parameters.text("q"),
    )


def _filters(query: AccountQuery) -> dict[str, str]:
    return {
        "kind": query.kind or "",
        "status": query.status or "",
        "currency": query.currency or "",
        "external_id": query.external_id or "",
        "q": query.text or "",
        **{f"metadata[{key}]": value for key, value in query.metadata.items()},
    }
