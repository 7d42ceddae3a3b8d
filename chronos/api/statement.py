"""The statement of an account: opening balance, what moved money, closing balance.

The request fixes the first and the last version at once; both never change, so lines and
balances agree however long the reading takes. Without `limit` the whole statement is streamed,
a page of the journal at a time: no connection is held while the client reads. With it, one page
is answered; its cursor carries the two versions and where the page ended.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from chronos.api.answer import CSV, Streamed
from chronos.api.answers import Page
from chronos.api.exchange import Exchange, Services
from chronos.api.headers import prefers
from chronos.api.places import PAGE_BYTES_MAX
from chronos.api.problems import HttpProblem, account_not_yet_opened, unknown_account
from chronos.api.query import CURSOR, FORMAT, LIMIT, LINES, SINCE, UNTIL, invalid_parameter
from chronos.api.statement_forms import (
    CSV_TYPE,
    CsvForm,
    Form,
    JsonForm,
    line_of,
    statement,
)
from chronos.errors import InvariantBroken
from chronos.store.moments import Mark, Moments, NotYetOpened, Period, StatementLine
from chronos.wire.codec import format_instant
from chronos.wire.cursors import InvalidCursor
from chronos.wire.moments import end_of, start_of

STREAMED_LINES: Final = 500
"""Lines of one piece: some milliseconds of this process, during which nobody else has it."""
STREAMED_BYTES: Final = 256 << 10
"""Of the events of one piece: what a stream holds for a client that does not read."""
READINGS_MAX: Final = 10
"""A page ends early rather than pass over events that move no money for longer than this."""
_encode: Final = msgspec.json.Encoder().encode
_VARY: Final = {"Vary": "Accept"}


async def show_statement(services: Services, exchange: Exchange) -> Streamed:
    """Answers `GET /v1/accounts/{id}/statement`."""
    as_csv = _as_csv(exchange)
    if exchange.query[LINES] is None and exchange.query[CURSOR] is None:
        period = await _period(services, exchange)
        return _streamed(services, period, as_csv=as_csv)
    if as_csv:
        raise invalid_parameter(
            "Parameters limit and cursor go with format=json; as CSV a statement is whole."
        )
    return Streamed(pieces=_one_page(services, exchange), is_page=True)


class LineReader:
    """Reads the lines of a period in order, and proves that each continues the one before.

    Args:
        moments: The journal.
        period: What to read.
        last: Where to go on: version and booked balance of the last line read.
    """

    def __init__(self, moments: Moments, period: Period, last: Mark):
        self._moments = moments
        self._period = period
        self.reached = last
        """How far all is read, and what is booked there."""

    @property
    def is_at_end(self) -> bool:
        """Whether all lines are read."""
        return self.reached.version >= self._period.closing.version

    async def read(self, limit: int, bytes_max: int) -> tuple[StatementLine, ...]:
        """Gives the next lines, at most so many or so heavy; perhaps none before the end.

        Raises:
            Unavailable: PostgreSQL does not answer.
            InvariantBroken: The balances of the journal do not continue each other.
        """
        version, booked = self.reached
        lines = await self._moments.lines(
            self._period, after=version, limit=limit, bytes_max=bytes_max
        )
        for row in lines.rows:
            booked += row.amount
            self._prove(Mark(row.version, row.booked_after), booked)
        self.reached = Mark(lines.reached, booked)
        if self.is_at_end:
            self._prove(self._period.closing, booked)
        return lines.rows

    def _prove(self, stored: Mark, summed: int) -> None:
        if stored.booked != summed:
            account_id = self._period.account_id
            raise InvariantBroken(
                f"Account {account_id}, version {stored.version}: {stored.booked} is booked, "
                f"but the amounts sum to {summed}. Run `chronos verify`.",
                account_id=account_id,
                version=stored.version,
            )


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """What a cursor carries: the period, fixed by the first page, and the last line given."""

    currency: str
    since: datetime
    until: datetime
    is_final: bool
    opening: Mark
    closing: Mark
    last: Mark


def _streamed(services: Services, period: Period, *, as_csv: bool) -> Streamed:
    if not as_csv:
        json_form = JsonForm(period, services.zone)
        return Streamed(pieces=_pieces(services.moments, period, json_form), headers=_VARY)
    name = _file_name(period, services.zone)
    return Streamed(
        pieces=_pieces(services.moments, period, CsvForm(period, services.zone)),
        content_type=CSV_TYPE,
        headers={"Content-Disposition": f'attachment; filename="{name}"', **_VARY},
    )


async def _pieces(moments: Moments, period: Period, form: Form) -> AsyncGenerator[bytes, None]:
    reader = LineReader(moments, period, period.opening)
    piece = form.head()
    while not reader.is_at_end:
        piece += form.lines(await reader.read(STREAMED_LINES, STREAMED_BYTES))
        if piece:
            yield piece
        piece = b""
    yield piece + form.tail()


async def _one_page(services: Services, exchange: Exchange) -> AsyncGenerator[bytes, None]:
    # Called, not written here: the lines are let go of while the page waits for its client.
    yield await _page(services, exchange)


async def _page(services: Services, exchange: Exchange) -> bytes:
    period, last = await _where(services, exchange)
    limit = exchange.query[LINES] or LIMIT.default
    reader = LineReader(services.moments, period, last)
    rows: list[StatementLine] = []
    free = PAGE_BYTES_MAX
    for _ in range(READINGS_MAX):
        if reader.is_at_end or len(rows) > limit or free <= 0:
            break
        read = await reader.read(limit + 1 - len(rows), free)
        free -= sum(len(row.body) for row in read)
        rows += read
    given, reached = rows[:limit], reader.reached
    if len(rows) > limit:
        reached = Mark(given[-1].version, given[-1].booked_after)
    has_more = reached.version < period.closing.version
    following = _seal(services, exchange, period, reached) if has_more else None
    return _encode(
        statement(
            period,
            services.zone,
            lines=tuple(line_of(row, services.zone) for row in given),
            page=Page(next=following, has_more=has_more),
        )
    )


async def _where(services: Services, exchange: Exchange) -> tuple[Period, Mark]:
    """Gives the period, and the last line before the page."""
    cursor = exchange.query[CURSOR]
    if cursor is None:
        period = await _period(services, exchange)
        return period, period.opening
    try:
        sealed = services.statement_cursors.open(cursor, _filters(exchange))
    except InvalidCursor as error:
        raise HttpProblem(
            "invalid_cursor", "The cursor does not belong to this statement."
        ) from error
    place = msgspec.json.decode(str(sealed), type=_Place)
    period = Period(
        account_id=exchange.params["id"],
        currency=place.currency,
        since=place.since,
        until=place.until,
        is_final=place.is_final,
        opening=place.opening,
        closing=place.closing,
    )
    return period, place.last


def _seal(services: Services, exchange: Exchange, period: Period, last: Mark) -> str:
    place = _Place(
        currency=period.currency,
        since=period.since,
        until=period.until,
        is_final=period.is_final,
        opening=period.opening,
        closing=period.closing,
        last=last,
    )
    return services.statement_cursors.seal(
        msgspec.json.encode(place).decode(), _filters(exchange)
    )


def _filters(exchange: Exchange) -> Mapping[str, str]:
    query = exchange.query
    return {
        "account": exchange.params["id"],
        "from": str(query[SINCE]),
        "to": str(query[UNTIL]),
    }


async def _period(services: Services, exchange: Exchange) -> Period:
    account_id = exchange.params["id"]
    since, until = _bounds(exchange, services.zone)
    period = await services.moments.period(account_id, since=since, until=until)
    if period is None:
        raise unknown_account(account_id)
    if isinstance(period, NotYetOpened):
        raise account_not_yet_opened(account_id, opened=format_instant(period.opened_at))
    return period


def _bounds(exchange: Exchange, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    """Gives the first instant and the first after the last, where they were given."""
    first, last = exchange.query[SINCE], exchange.query[UNTIL]
    since, until = _instant(first, start_of, zone), _instant(last, end_of, zone)
    if first is None or last is None or since is None or until is None:
        return since, until
    # A day and the day before it would meet at midnight, as if one had asked for nothing.
    if since > until or (type(first) is type(last) and first > last):
        raise invalid_parameter("Parameter from lies after parameter to.")
    return since, until


def _instant(
    bound: date | datetime | None, of_day: Callable[[date, ZoneInfo], datetime], zone: ZoneInfo
) -> datetime | None:
    if bound is None or isinstance(bound, datetime):
        return bound
    return of_day(bound, zone)


def _as_csv(exchange: Exchange) -> bool:
    form = exchange.query[FORMAT]
    return prefers(exchange.request, CSV) if form is None else form == "csv"


def _file_name(period: Period, zone: ZoneInfo) -> str:
    """Names the file by the account and its first and last day, in letters that all take."""
    first = period.since.astimezone(zone).date()
    last = max(period.since, period.until - datetime.resolution).astimezone(zone).date()
    return f"statement-{period.account_id.replace(':', '_')}-{first}-{last}.csv"
