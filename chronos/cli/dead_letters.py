"""`chronos dead-letters list | show`: records that were found in our topics and are not ours.

Their bytes are somebody else's: nothing of them reaches a terminal that it could steer. What is
not printable is shown by its escape; raw bytes go to a file or a pipe only.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import json
import re
import sys
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import click

from chronos.cli.instance import Instance, find_instance
from chronos.cli.show import (
    instance_options,
    print_fields,
    print_table,
    printable,
    printable_bytes,
    rows_option,
    run,
)
from chronos.errors import MissingPart
from chronos.stream.topic_reader import TopicRecord, records_in_order
from chronos.wire.dead_letter import Origin, read_origin

SHOWN_BYTES_MAX = 4096
_CELL_MAX = 40
_HEX_LINE = 16
_PLACE = re.compile(r"([0-9]{1,9}):([0-9]{1,18})", re.ASCII)


class Place(NamedTuple):
    """Where a dead letter lies in its topic."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


class _PlaceType(click.ParamType):
    name = "PARTITION:OFFSET"

    def convert(self, value: Any, param: Any, ctx: Any) -> Place:
        """Reads a place, as `list` writes it."""
        if isinstance(value, Place):
            return value
        read = _PLACE.fullmatch(value)
        if read is None:
            self.fail(f"{printable(value)} is no place; a place is like 3:17.", param, ctx)
        return Place(int(read[1]), int(read[2]))


@click.group(name="dead-letters")
def command() -> None:
    """Show the records that agents found in the ledger's topics and put away as foreign."""


@command.command(name="list")
@click.option("--from", "start", type=_PlaceType(), help="Begin at this place.")
@rows_option
@instance_options
def list_(start: Place | None, limit: int, data: Path | None, *, as_json: bool) -> None:
    """List where each was found, by whom and why, in the order of the topic."""
    instance = find_instance(data)

    async def work() -> None:
        found, following = await _page(instance, start or Place(0, 0), limit)
        if as_json:
            letters = [_document(letter) for letter in found]
            _print_json({"dead_letters": letters, "next": following and str(following)})
        elif not found:
            print(f"no dead letters in {instance.names.dead_letters}")
        else:
            print_table(
                ("place", "found at", "found by", "key", "bytes", "moved at", "reason"),
                [_row(letter) for letter in found],
            )
        if following and not as_json:
            print(f"more: --from {following}", file=sys.stderr)

    run(work(), as_json=as_json)


@command.command()
@click.argument("place", type=_PlaceType())
@click.option("--raw", is_flag=True, help="Write the value's bytes, to a file or a pipe.")
@instance_options
def show(place: Place, data: Path | None, *, raw: bool, as_json: bool) -> None:
    """Show the dead letter at PLACE, which `list` tells, with its bytes and headers."""
    if raw and as_json:
        raise click.UsageError("--raw and --json exclude each other.")
    if raw and sys.stdout.isatty():
        raise click.UsageError("--raw writes to a file or a pipe, not to a terminal.")
    instance = find_instance(data)

    async def work() -> None:
        letter = await _at(instance, place)
        if raw:
            sys.stdout.buffer.write(letter.value or b"")
            sys.stdout.buffer.flush()
        elif as_json:
            _print_json(_document(letter, whole=True))
        else:
            _print_whole(letter)

    run(work(), as_json=as_json)


async def _page(
    instance: Instance, start: Place, limit: int
) -> tuple[list[TopicRecord], Place | None]:
    """Reads a page, and tells where the next begins."""
    found: list[TopicRecord] = []
    records: Any = records_in_order(
        instance.kafka,
        instance.names.dead_letters,
        partition=start.partition,
        offset=start.offset,
    )
    async with aclosing(records):
        async for record in records:
            if len(found) == limit:
                return found, Place(record.partition, record.offset)
            found.append(record)
    return found, None


async def _at(instance: Instance, place: Place) -> TopicRecord:
    found, _ = await _page(instance, place, 1)
    if not found or (found[0].partition, found[0].offset) != place:
        raise MissingPart(
            f"There is no dead letter at {place}; `chronos dead-letters list` tells where "
            "there are any."
        )
    return found[0]


def _row(letter: TopicRecord) -> tuple[object, ...]:
    origin, _ = read_origin(letter.headers)
    return (
        Place(letter.partition, letter.offset),
        _cell(origin.found_at),
        _cell(origin.found_by or "-"),
        "no key" if letter.key is None else _cell(printable_bytes(letter.key)),
        "-" if letter.value is None else len(letter.value),
        _moment(letter.timestamp_ms),
        printable(origin.left_out or origin.reason or "-"),
    )


def _cell(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= _CELL_MAX else shown[: _CELL_MAX - 1] + "…"


def _document(letter: TopicRecord, *, whole: bool = False) -> dict[str, Any]:
    origin, own = read_origin(letter.headers)
    document: dict[str, Any] = {
        "place": str(Place(letter.partition, letter.offset)),
        "found_at": origin.found_at,
        "found_by": origin.found_by,
        "reason": origin.reason,
        "written_at": origin.written_at,
        "moved_at": _moment(letter.timestamp_ms),
        "left_out": origin.left_out,
        "key": _told(letter.key),
        "size_bytes": None if letter.value is None else len(letter.value),
    }
    if whole:
        document["headers"] = [{"name": name, "value": _told(value)} for name, value in own]
        document["value"] = _told(letter.value)
    return document


def _told(raw: bytes | None) -> dict[str, str] | None:
    """Gives bytes without loss: as text where they are UTF-8, else in Base64."""
    if raw is None:
        return None
    try:
        return {"text": raw.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode("ascii")}


def _print_whole(letter: TopicRecord) -> None:
    origin, own = read_origin(letter.headers)
    print_fields(_fields(letter, origin))
    for name, value in own:
        print(f"header {printable(name)}: {printable_bytes(value)}")
    if letter.value is not None:
        print()
        for line in _shown(letter.value[:SHOWN_BYTES_MAX], is_cut=_is_long(letter.value)):
            print(line)
        if _is_long(letter.value):
            print(f"({len(letter.value) - SHOWN_BYTES_MAX} bytes more: --raw writes them all)")


def _fields(letter: TopicRecord, origin: Origin) -> list[tuple[str, object]]:
    texts = (
        ("found at", origin.found_at),
        ("found by", origin.found_by),
        ("reason", origin.reason),
        ("written at", origin.written_at),
        ("moved at", _moment(letter.timestamp_ms)),
        ("left out", origin.left_out),
        ("key", "no key" if letter.key is None else _text(letter.key)),
        ("value", "no value" if letter.value is None else f"{len(letter.value)} bytes"),
    )
    return [("place", Place(letter.partition, letter.offset))] + [
        (name, text and printable(text)) for name, text in texts
    ]


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _is_long(value: bytes) -> bool:
    return len(value) > SHOWN_BYTES_MAX


def _shown(value: bytes, *, is_cut: bool) -> list[str]:
    """Gives the lines that show a value: JSON for people, text, or bytes in hexadecimal."""
    try:
        # A character may be cut in its middle, by us.
        text = codecs.getincrementaldecoder("utf-8")().decode(value, final=not is_cut)
    except UnicodeDecodeError:
        return _hexadecimal(value)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return [printable(line) for line in text.split("\n")]
    pretty = json.dumps(document, indent=2, ensure_ascii=False)
    return [printable(line) for line in pretty.split("\n")]


def _hexadecimal(value: bytes) -> list[str]:
    lines = []
    for start in range(0, len(value), _HEX_LINE):
        part = value[start : start + _HEX_LINE]
        pairs = binascii.hexlify(part, " ").decode("ascii")
        plain = "".join(chr(one) if 32 <= one < 127 else "." for one in part)
        lines.append(f"{start:08x}  {pairs.ljust(3 * _HEX_LINE - 1)}  {plain}")
    return lines


def _moment(timestamp_ms: int) -> str:
    try:
        return datetime.fromtimestamp(timestamp_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return "-"


def _print_json(document: dict[str, Any]) -> None:
    for line in json.dumps(document, indent=2, ensure_ascii=False).split("\n"):
        print(printable(line))
