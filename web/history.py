"""The history of an account: its entries, newest first, from Elasticsearch.

An answer says which version of the account a search saw before the page was read; the page
holds everything up to it. With `min_version` the view waits a bounded time until a search sees
that version: who has just moved money finds the entry, or hears that it is not there yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from chronos.clock import Clock
from chronos.domain.ids import is_valid_id
from chronos.errors import Unavailable
from chronos.mirror.entries import EVENT_TYPES, MONEY_TYPES, EntryIndex, EntryQuery
from chronos.settings import Settings
from chronos.wire.cursors import Cursors, InvalidCursor
from web.parameters import Parameters, invalid
from web.respond import Refusal, Respond, json_answer

PATH = "/v1/accounts/{account_id}/entries"
VERSION_MAX = 2**53 - 1
PAGE_ROWS = 50
PAGE_ROWS_MAX = 200
_KNOWN = frozenset({"from", "to", "type", "cursor", "limit", "min_version"})
_DAY_CHARACTERS = len("2031-05-06")
_POLL_S = 0.05
_RETRY_AFTER_S = 1


class History:
    """Answers for the entries of one account.

    Args:
        entries: The index of entries.
        settings: Gives the zone of a calendar day and the longest wait for `min_version`.
        secret: Seals cursors; the same in every worker.
        clock: Bounds the wait.
    """

    def __init__(self, entries: EntryIndex, settings: Settings, *, secret: bytes, clock: Clock):
        self._entries = entries
        self._zone = ZoneInfo(settings.time_zone)
        self._wait_s = settings.min_version_wait_s
        self._cursors = Cursors(secret, list_name="entries")
        self._clock = clock

    def add_to(self, respond: Respond) -> None:
        """Puts the view on its path."""
        respond.add_view(PATH, self.answer, name="entries")

    async def answer(self, request: web.Request) -> web.Response:
        """Answers with one page of entries.

        Raises:
            Refusal: A parameter cannot be used, the account is not known here, Elasticsearch
                is not there or not far enough.
        """
        account_id = request.match_info["account_id"]
        if not is_valid_id(account_id):
            raise Refusal("id_invalid", "That is not an account id.", status=404)
        parameters = Parameters(request, _KNOWN)
        query = self._query(account_id, parameters)
        filters = _filters(query)
        before = self._before(parameters, filters)
        rows_max = parameters.whole("limit", low=1, high=PAGE_ROWS_MAX) or PAGE_ROWS
        min_version = parameters.whole("min_version", low=0, high=VERSION_MAX) or 0
        try:
            version = await self._version(account_id, min_version)
            rows = await self._entries.page(
                query, before_position=before, rows_max=rows_max + 1
            )
        except Unavailable as fault:
            raise search_unavailable(fault) from fault
        page = rows[:rows_max]
        has_more = len(rows) > rows_max
        following = self._cursors.seal(page[-1]["position"], filters) if has_more else None
        return json_answer(
            {
                "account": account_id,
                "version": version,
                "data": [_entry(row) for row in page],
                "page": {"next": following, "has_more": has_more},
            }
        )

    def _query(self, account_id: str, parameters: Parameters) -> EntryQuery:
        return EntryQuery(
            account_id=account_id,
            types=_types(parameters),
            recorded_from=self._moment(parameters, "from", days_later=0),
            # A day given as the end belongs to the answer.
            recorded_until=self._moment(parameters, "to", days_later=1),
        )

    def _moment(self, parameters: Parameters, name: str, *, days_later: int) -> datetime | None:
        text = parameters.text(name)
        if text is None or len(text) != _DAY_CHARACTERS:
            return parameters.instant(name)
        day = parameters.day(name)
        if day is None:
            return None
        try:
            start = datetime.combine(day + timedelta(days=days_later), time(), self._zone)
            return start.astimezone(UTC)
        except OverflowError as error:
            raise invalid(name, "is outside the calendar") from error

    def _before(self, parameters: Parameters, filters: Mapping[str, str]) -> int | None:
        cursor = parameters.text("cursor", length_max=PAGE_ROWS_MAX * 5)
        if cursor is None:
            return None
        place = open_cursor(self._cursors, cursor, filters)
        if not isinstance(place, int):
            raise invalid_cursor()
        return place

    async def _version(self, account_id: str, min_version: int) -> int:
        deadline_s = self._clock.monotonic_s() + self._wait_s
        while True:
            version = await self._entries.newest_version(account_id)
            if version >= max(1, min_version):
                return version
            if min_version == 0:
                raise _not_found(account_id)
            if self._clock.monotonic_s() >= deadline_s:
                raise Refusal(
                    "read_model_behind",
                    f"The history shows version {version}, not {min_version} yet.",
                    retry_after_s=_RETRY_AFTER_S,
                    extra={"version": version},
                )
            await asyncio.sleep(_POLL_S)


def open_cursor(cursors: Cursors, cursor: str, filters: Mapping[str, str]) -> int | str:
    """Opens a cursor.

    Raises:
        Refusal: `invalid_cursor`.
    """
    try:
        return cursors.open(cursor, filters)
    except InvalidCursor as error:
        raise invalid_cursor() from error


def invalid_cursor() -> Refusal:
    """Makes the refusal of a cursor that this list with these filters never gave out."""
    return Refusal(
        "invalid_cursor",
        "The cursor does not belong to this list with these filters.",
        parameter="cursor",
    )


def search_unavailable(fault: Unavailable) -> Refusal:
    """Makes the refusal of a search that has no Elasticsearch to ask."""
    return Refusal(
        "search_unavailable",
        "History and search do not answer now; balances and commands are not affected.",
        retry_after_s=fault.retry_after_s,
    )


def _not_found(account_id: str) -> Refusal:
    return Refusal(
        "account_not_found", f"The history has no account `{account_id}`.", status=404
    )


def _types(parameters: Parameters) -> tuple[str, ...]:
    text = parameters.text("type")
    if text is None:
        return MONEY_TYPES
    types = tuple(sorted(set(text.split(","))))
    if not set(types) <= set(EVENT_TYPES):
        raise invalid("type", f"takes one or more, with commas, of {', '.join(EVENT_TYPES)}")
    return types


def _filters(query: EntryQuery) -> dict[str, str]:
    return {
        "account": query.account_id,
        "types": ",".join(query.types),
        "from": "" if query.recorded_from is None else query.recorded_from.isoformat(),
        "until": "" if query.recorded_until is None else query.recorded_until.isoformat(),
    }


def _entry(row: Mapping[str, Any]) -> dict[str, Any]:
    entry = {"account": row["account_id"], **row}
    del entry["account_id"]
    return entry
