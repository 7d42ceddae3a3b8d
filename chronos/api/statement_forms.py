"""The two forms of a statement: a JSON document, and a table in CSV. Pure.

Each is written in parts, so that a statement of any length can leave while it is read: a head,
lines as often as there are some, a tail. The JSON is one document whatever its parts; the CSV
begins and ends with a row for the balance, so that a table that was cut off shows it.

Source: RFC 4180 for CSV.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol
from zoneinfo import ZoneInfo

import msgspec

from chronos.api.answers import Page, Statement, StatementLine
from chronos.domain.currency import format_amount
from chronos.domain.events import MoneyMoved
from chronos.errors import InvariantBroken
from chronos.store.moments import Mark, Period
from chronos.store.moments import StatementLine as StoredLine
from chronos.wire.codec import decode_event, format_instant

CSV_TYPE: Final = "text/csv; charset=utf-8; header=present"
CSV_COLUMNS: Final = (
    "type",
    "version",
    "position",
    "recorded_at",
    "booking_date",
    "value_date",
    "transfer_id",
    "counterparty",
    "description",
    "external_id",
    "reverses_transfer_id",
    "currency",
    "amount",
    "amount_minor",
    "booked_after",
    "booked_after_minor",
)
_FORMULA_BEGINS: Final = tuple("=+-@\t\r\uff1d\uff0b\uff0d\uff20")
_NO_LINES: Final = b'"lines":['
_encode = msgspec.json.Encoder().encode


class Form(Protocol):
    """One form of a statement; its parts are written in order."""

    def head(self) -> bytes:
        """Writes what stands before the lines."""
        ...

    def lines(self, rows: Sequence[StoredLine]) -> bytes:
        """Writes the next lines."""
        ...

    def tail(self) -> bytes:
        """Writes what stands after the lines."""
        ...


class JsonForm:
    """A statement as one JSON document."""

    def __init__(self, period: Period, zone: ZoneInfo):
        self._zone = zone
        head, mark, self._tail = _encode(statement(period, zone)).partition(_NO_LINES)
        self._head = head + mark
        self._separator = b""

    def head(self) -> bytes:
        """Writes the document up to its lines."""
        return self._head

    def lines(self, rows: Sequence[StoredLine]) -> bytes:
        """Writes the next members of the array of lines."""
        if not rows:
            return b""
        text = self._separator + b",".join(_encode(line_of(row, self._zone)) for row in rows)
        self._separator = b","
        return text

    def tail(self) -> bytes:
        """Ends the array and the document."""
        return self._tail


class CsvForm:
    """A statement as a table, one row a line, between a row each for the two balances."""

    def __init__(self, period: Period, zone: ZoneInfo):
        self._period = period
        self._zone = zone

    def head(self) -> bytes:
        """Writes the names of the columns and the opening balance."""
        period = self._period
        opening = self._balance("OpeningBalance", period.opening, period.since)
        return _rows([CSV_COLUMNS, opening])

    def lines(self, rows: Sequence[StoredLine]) -> bytes:
        """Writes the next rows."""
        return _rows([self._row(line_of(row, self._zone)) for row in rows])

    def tail(self) -> bytes:
        """Writes the closing balance."""
        period = self._period
        return _rows([self._balance("ClosingBalance", period.closing, period.until)])

    def _row(self, line: StatementLine) -> Sequence[object]:
        currency = self._period.currency
        return (
            line.type,
            line.version,
            line.position,
            line.recorded_at,
            line.booking_date,
            line.value_date,
            line.transfer_id,
            line.counterparty,
            _harmless(line.description),
            _harmless(line.external_id),
            line.reverses_transfer_id,
            currency,
            format_amount(line.amount, currency),
            line.amount,
            format_amount(line.booked_after, currency),
            line.booked_after,
        )

    def _balance(self, name: str, mark: Mark, at: datetime) -> Sequence[object]:
        currency = self._period.currency
        blank = ("",) * (CSV_COLUMNS.index("currency") - CSV_COLUMNS.index("booking_date"))
        booked = (format_amount(mark.booked, currency), mark.booked)
        return (name, mark.version, "", format_instant(at), *blank, currency, "", "", *booked)


def statement(
    period: Period,
    zone: ZoneInfo,
    *,
    lines: tuple[StatementLine, ...] = (),
    page: Page | msgspec.UnsetType = msgspec.UNSET,
) -> Statement:
    """Gives a statement, or a page of one."""
    return Statement(
        account=period.account_id,
        currency=period.currency,
        time_zone=zone.key,
        since=format_instant(period.since),
        until=format_instant(period.until),
        final=period.is_final,
        opening_balance=period.opening.booked,
        opening_version=period.opening.version,
        lines=lines,
        closing_balance=period.closing.booked,
        closing_version=period.closing.version,
        page=page,
    )


def line_of(row: StoredLine, zone: ZoneInfo) -> StatementLine:
    """Gives a line as it is answered.

    Raises:
        InvariantBroken: The stored event has an amount and moved no money.
    """
    event = decode_event(row.body).event
    if not isinstance(event, MoneyMoved):
        raise InvariantBroken(
            "an event with an amount moved no money; run `chronos verify`",
            account_id=event.account_id,
            version=row.version,
        )
    return StatementLine(
        version=row.version,
        position=row.position,
        type=type(event).__name__,
        recorded_at=format_instant(row.recorded_at),
        booking_date=row.recorded_at.astimezone(zone).date(),
        value_date=event.value_date,
        transfer_id=event.transfer_id,
        counterparty=event.counterparty,
        description=event.description,
        external_id=event.external_id,
        reverses_transfer_id=event.reverses_transfer_id,
        metadata=dict(event.metadata),
        amount=row.amount,
        booked_after=row.booked_after,
    )


def _rows(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _harmless(text: str | None) -> str | None:
    """Puts an apostrophe before what a spreadsheet would take for a formula."""
    if text is not None and text.lstrip(" ").startswith(_FORMULA_BEGINS):
        return "'" + text
    return text
