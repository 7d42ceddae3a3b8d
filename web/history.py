"""The history of an account: its entries, newest first, from Elasticsearch.

An answer says which version of the account a search saw before the page was read; the page
holds everything up to it. With `min_version` the view waits a bounded time until a search sees
that version: who has just moved money finds the entry, or hears that it is not there yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from chronos.clock import Clock
from chronos.domain.ids import is_valid_id
from chronos.errors import Unavailable
from chronos.mirror.entries import EVENT_TYPES, MONEY_TYPES, EntryIndex, EntryQuery
from chronos.mirror.guard import SearchRefused
from chronos.settings import Settings
from chronos.wire.cursors import Cursors
from web.narrowing import read_narrowing
from web.paging import Paging, search_unavailable
from web.parameters import VALUE_MAX, Parameters, invalid
from web.respond import JsonAnswer, Refusal, Respond, json_answer
from web.routes.table import ENTRIES
from web.routes.taken import VERSION_MAX

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
        respond.add_view(ENTRIES, self.answer)

    async def answer(self, request: web.Request) -> JsonAnswer:
        """Answers with one page of entries.

        Raises:
            Refusal: A parameter cannot be used, the account is not known here, Elasticsearch
                is not there or not far enough.
        """
        account_id = request.match_info["account_id"]
        if not is_valid_id(account_id):
            raise Refusal("id_invalid", "That is not an account id.", status=404)
        parameters = Parameters(request, ENTRIES.names, ENTRIES.groups)
        query = EntryQuery(
            account_id=account_id,
            types=_types(parameters),
            transfer_id=parameters.id("transfer_id"),
            narrowing=read_narrowing(parameters, self._zone),
        )
        paging = Paging.read(parameters, self._cursors, account=account_id)
        min_version = parameters.whole("min_version", low=0, high=VERSION_MAX) or 0
        try:
            version = await self._version(account_id, min_version)
            rows = await self._entries.page(
                query, before_position=paging.position, rows_max=paging.rows_max + 1
            )
        except Unavailable as fault:
            raise search_unavailable(fault) from fault
        except SearchRefused as refusal:
            raise invalid("q", "cannot be searched for") from refusal
        page = rows[: paging.rows_max]
        return json_answer(
            {
                "account": account_id,
                "version": version,
                "data": [_entry(row) for row in page],
                "page": paging.document(
                    page[-1]["position"] if len(rows) > len(page) else None
                ),
            }
        )

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


def _not_found(account_id: str) -> Refusal:
    return Refusal(
        "account_not_found", f"The history has no account `{account_id}`.", status=404
    )


def _types(parameters: Parameters) -> tuple[str, ...]:
    text = parameters.text("type", length_max=VALUE_MAX)
    if text is None:
        return MONEY_TYPES
    types = text.split(",")
    if len(types) > len(EVENT_TYPES) or not set(types) <= set(EVENT_TYPES):
        raise invalid(
            "type",
            f"takes 1 to {len(EVENT_TYPES)}, with commas, of {', '.join(EVENT_TYPES)}",
        )
    return tuple(sorted(set(types)))


def _entry(row: Mapping[str, Any]) -> dict[str, Any]:
    entry = {"account": row["account_id"], **row}
    del entry["account_id"]
    return entry
