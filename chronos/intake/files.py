"""Reads files of rows: JSON lines, or CSV. What is doubtful is said, never guessed.

Memory is bounded: one row, and the postings of one entry. A row that cannot be read does not
end the file.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, NoReturn

from chronos.errors import ChronosError
from chronos.wire.terms import POSTINGS_MAX

LINE_BYTES_MAX: Final = 1 << 20
METADATA_PREFIX: Final = "metadata."
COLUMNS: Final = (
    "type",
    "key",
    "id",
    "account",
    "currency",
    "kind",
    "overdraft_limit",
    "overdraft_limit_minor",
    "external_id",
    "opened_on",
    "from",
    "to",
    "amount",
    "amount_minor",
    "description",
    "value_date",
)
"""What a table may have, besides `metadata.KEY`."""
_DELIMITERS: Final = (",", ";", "\t")
_MINOR: Final = "_minor"
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_BOM: Final = b"\xef\xbb\xbf"


class UnusableFile(ChronosError):
    """Says why a file as a whole cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one row says: amounts are whole minor units, or decimals as texts."""

    line: int
    value: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Why a row cannot be understood."""

    line: int
    code: str
    detail: str


def read_json_lines(file: BinaryIO) -> Iterator[Said | Unreadable]:
    """Yields the rows of JSON lines; empty lines are passed over."""
    number = 0
    while text := file.readline(LINE_BYTES_MAX):
        number += 1
        is_whole = text.endswith(b"\n") or len(text) < LINE_BYTES_MAX
        if not is_whole:
            while (rest := file.readline(LINE_BYTES_MAX)) and not rest.endswith(b"\n"):
                pass
            detail = f"The line has more than {LINE_BYTES_MAX} bytes."
            yield Unreadable(line=number, code="body_too_large", detail=detail)
        elif number == 1 and text.startswith(_BOM):
            yield from _json_row(number, text.removeprefix(_BOM))
        else:
            yield from _json_row(number, text)


def read_csv(file: BinaryIO, default_type: str | None = None) -> Iterator[Said | Unreadable]:
    """Yields the rows of a table.

    Its first line names the columns, and with them the mark between two cells: a comma, a
    semicolon or a tab. Consecutive rows of the type `entry` with the same id are the postings
    of one entry.

    Args:
        file: In UTF-8, with or without a byte order mark.
        default_type: The type of every row, when the table has no such column.

    Raises:
        UnusableFile: The first line does not name columns that are known, or a line has no
            end.
    """
    lines = _Decoded(file)
    header = next(lines, "")
    delimiter = _delimiter(header)
    names = next(csv.reader([header], delimiter=delimiter, strict=True), [])
    _check_columns(names, has_type=default_type is not None)
    table = _Table(lines, names, delimiter, default_type)
    yield from _entries_joined(table.rows())


class _Decoded:
    """Gives lines as text; bytes that are no UTF-8 stay as marks that no field takes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._is_first = True

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline(LINE_BYTES_MAX)
        if not line:
            raise StopIteration
        if len(line) == LINE_BYTES_MAX and not line.endswith(b"\n"):
            raise UnusableFile(f"The table has a line of more than {LINE_BYTES_MAX} bytes.")
        if self._is_first:
            line, self._is_first = line.removeprefix(_BOM), False
        return line.decode("utf-8", "surrogateescape")


class _Table:
    def __init__(
        self, lines: Iterator[str], names: list[str], delimiter: str, default_type: str | None
    ) -> None:
        self._reader = csv.reader(lines, delimiter=delimiter, strict=True)
        self._names = names
        self._type = default_type

    def rows(self) -> Iterator[Said | Unreadable]:
        """Yields what each row says by its columns; empty cells say nothing."""
        while True:
            line = self._reader.line_num + 2
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                detail = f"The row is not CSV: {error}."
                yield Unreadable(line=line, code="schema_violation", detail=detail)
                continue
            if cells:
                yield self._row(line, cells)

    def _row(self, line: int, cells: list[str]) -> Said | Unreadable:
        if len(cells) != len(self._names):
            detail = f"The row has {len(cells)} cells, the first line names {len(self._names)}."
            return Unreadable(line=line, code="schema_violation", detail=detail)
        value: dict[str, Any] = {} if self._type is None else {"type": self._type}
        metadata: dict[str, str] = {}
        for name, cell in zip(self._names, cells, strict=True):
            if name.startswith(METADATA_PREFIX):
                if cell:
                    metadata[name.removeprefix(METADATA_PREFIX)] = cell
            elif cell and (problem := _add(value, name, cell)):
                return Unreadable(line=line, code="amount_invalid", detail=problem)
        if metadata:
            value["metadata"] = metadata
        return Said(line=line, value=value)


def _add(value: dict[str, Any], name: str, cell: str) -> str | None:
    """Adds what a cell says; gives a sentence when it cannot be understood."""
    member, is_minor = name.removesuffix(_MINOR), name.endswith(_MINOR)
    if is_minor and _WHOLE.fullmatch(cell) is None:
        return f"{cell!r} in column {name} is no whole number of minor units."
    if member in value:
        return f"The row says {member} twice, as a decimal and in minor units."
    value[member] = int(cell) if is_minor else cell
    return None


def _entries_joined(rows: Iterator[Said | Unreadable]) -> Iterator[Said | Unreadable]:
    """Makes one row of the postings of each entry."""
    waiting: list[Said] = []
    for row in rows:
        if waiting and not _continues(waiting[-1], row):
            yield _entry(waiting)
            waiting = []
        if isinstance(row, Said) and row.value.get("type") == "entry":
            if len(waiting) <= POSTINGS_MAX:
                waiting.append(row)
        else:
            yield row
    if waiting:
        yield _entry(waiting)


def _continues(before: Said, row: Said | Unreadable) -> bool:
    if isinstance(row, Unreadable) or row.value.get("type") != "entry":
        return False
    return "id" in row.value and row.value["id"] == before.value.get("id")


def _entry(rows: list[Said]) -> Said | Unreadable:
    first = rows[0]
    if "id" not in first.value:
        detail = "The postings of an entry are rows with the same id: this one has none."
        return Unreadable(line=first.line, code="id_invalid", detail=detail)
    entry = {k: v for k, v in first.value.items() if k not in ("account", "amount")}
    for row in rows:
        for name, one in row.value.items():
            if name not in ("account", "amount") and entry.get(name) != one:
                detail = f"Its postings disagree about {name} of the entry."
                return Unreadable(line=row.line, code="schema_violation", detail=detail)
    entry["postings"] = [
        {k: v for k, v in row.value.items() if k in ("account", "amount")} for row in rows
    ]
    return Said(line=first.line, value=entry)


def _delimiter(header: str) -> str:
    # No name of a column has any of these.
    found = [mark for mark in _DELIMITERS if mark in header]
    if len(found) > 1:
        raise UnusableFile("The first line must name the columns, with one mark between them.")
    return found[0] if found else ","


def _check_columns(names: list[str], *, has_type: bool) -> None:
    unknown = [
        name for name in names if name not in COLUMNS and not name.startswith(METADATA_PREFIX)
    ]
    if unknown:
        raise UnusableFile(
            f"The first line names unknown columns: {', '.join(map(repr, unknown))}. "
            f"Known are {', '.join(COLUMNS)} and metadata.KEY."
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UnusableFile(f"The first line names {', '.join(twice)} more than once.")
    if has_type == ("type" in names):
        raise UnusableFile(
            "The type of a row stands in the column `type`, or is given for all rows with "
            "--type: one of the two."
        )


def _json_row(number: int, text: bytes) -> Iterator[Said | Unreadable]:
    if not text.strip():
        return
    try:
        value = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_single_keys,
            parse_constant=_no_number,
            parse_float=_no_number,
        )
    except (ValueError, RecursionError) as error:
        detail = f"The line is not usable JSON: {error}."
        yield Unreadable(line=number, code="malformed_json", detail=detail)
        return
    if isinstance(value, dict):
        yield Said(line=number, value=value)
        return
    detail = "The line is not a JSON object."
    yield Unreadable(line=number, code="schema_violation", detail=detail)


def _single_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object names a key twice")
    return members


def _no_number(text: str) -> NoReturn:
    raise ValueError(
        f'{text} is no whole number; write minor units, or a decimal as a text like "12.50"'
    )
