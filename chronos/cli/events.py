"""`chronos events tail | follow | list`: of the topics, of the live stream, of the journal."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec

from chronos.cli.instance import Instance, find_instance
from chronos.cli.show import instance_options, printable, printable_bytes, run
from chronos.client.event_stream import LiveEvent
from chronos.stream.topic_reader import TopicReader, TopicRecord, open_topic


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    account: str | None
    limit: int | None
    rejections: bool
    from_beginning: bool
    follow: bool


@click.group(name="events")
def command() -> None:
    """Print events: of the topics, of the live stream, or of one account's journal."""


@command.command()
@click.option("--from-beginning", is_flag=True, help="Begin at the oldest record.")
@click.option("--rejections", is_flag=True, help="Refused commands instead of events.")
@click.option("--account", help="Only this account's records.")
@click.option("--limit", type=click.IntRange(1), help="Stop after so many.")
@click.option("--no-follow", is_flag=True, help="Stop at the end instead of waiting for more.")
@instance_options
def tail(  # noqa: PLR0913  click passes each option by its name
    account: str | None,
    limit: int | None,
    data: Path | None,
    *,
    rejections: bool,
    from_beginning: bool,
    no_follow: bool,
    as_json: bool,
) -> None:
    """Print records with partition, offset and headers, until Ctrl-C."""
    instance = find_instance(data)
    wanted = _Wanted(
        account=account,
        limit=limit,
        rejections=rejections,
        from_beginning=from_beginning,
        follow=not no_follow,
    )
    run(_tail(instance, wanted, as_json=as_json), as_json=as_json)


@command.command()
@click.option("--account", help="Only this account's events.")
@click.option("--from-beginning", is_flag=True, help="Begin with the oldest event.")
@click.option("--last-event-id", help="Go on behind the event with this id of the stream.")
@click.option("--limit", type=click.IntRange(1), help="Stop after so many.")
@instance_options
def follow(
    account: str | None,
    last_event_id: str | None,
    limit: int | None,
    data: Path | None,
    *,
    from_beginning: bool,
    as_json: bool,
) -> None:
    """Print events as they come over HTTP, one a line, until Ctrl-C.

    Goes on by itself where it was when the line breaks. With --json each line has the id that
    --last-event-id takes.
    """
    instance = find_instance(data)

    async def work() -> None:
        printed = 0
        async with (
            instance.client() as client,
            client.views.stream(
                account, from_beginning=from_beginning, last_event_id=last_event_id
            ) as events,
        ):
            async for event in events:
                print(_live_line(event) if as_json else event.data.decode(), flush=True)
                printed += 1
                if printed == limit:
                    return

    run(work(), as_json=as_json)


@command.command(name="list")
@click.argument("account")
@click.option("--after", default=0, type=click.IntRange(0), help="Only after this version.")
@click.option("--limit", type=click.IntRange(1), help="Stop after so many.")
@instance_options
def list_(
    account: str, after: int, limit: int | None, data: Path | None, *, as_json: bool
) -> None:
    """Print the events of ACCOUNT from the journal, oldest first, with their hashes.

    One a line; with --json as well: the line is the event's JSON.
    """
    instance = find_instance(data)

    async def work() -> None:
        printed = 0
        async with instance.client() as client:
            async for event in client.accounts.events(account, after=after):
                print(msgspec.json.encode(event).decode())
                printed += 1
                if printed == limit:
                    return

    run(work(), as_json=as_json)


def _live_line(event: LiveEvent) -> str:
    """Gives one line; the event's bytes are as they came."""
    line = {"id": event.id, "event": msgspec.Raw(event.data)}
    return msgspec.json.encode(line).decode()


async def _tail(instance: Instance, wanted: _Wanted, *, as_json: bool) -> None:
    printed = 0
    topic = instance.names.rejections if wanted.rejections else instance.names.events
    async with open_topic(instance.kafka, topic) as reader:
        if not wanted.from_beginning:
            await reader.from_end()
        async for record in _records(reader, follow=wanted.follow):
            if wanted.account is not None and record.key != wanted.account.encode():
                continue
            print(_as_json(record) if as_json else _as_text(record), flush=True)
            printed += 1
            if printed == wanted.limit:
                return


async def _records(reader: TopicReader, *, follow: bool) -> AsyncIterator[TopicRecord]:
    if follow:
        while True:
            for record in await reader.page():
                yield record
    async for page in reader.pages_until(await reader.end_offsets()):
        for record in page:
            yield record


def _as_text(record: TopicRecord) -> str:
    # The topic may hold records of others, and their bytes anything.
    key = "no key" if record.key is None else printable_bytes(record.key)
    headers = "  ".join(
        f"{printable(name)}={printable_bytes(value)}" for name, value in record.headers
    )
    value = "" if record.value is None else printable_bytes(record.value)
    return (
        f"partition {record.partition} offset {record.offset} key {key}\n  {headers}\n  {value}"
    )


def _as_json(record: TopicRecord) -> str:
    """Gives one line; a value that is no JSON is given as text."""
    text = None if record.value is None else record.value.decode("utf-8", "replace")
    try:
        value = None if text is None else json.loads(text)
    except ValueError:
        value = text
    line = json.dumps(
        {
            "partition": record.partition,
            "offset": record.offset,
            "timestamp_ms": record.timestamp_ms,
            "key": None if record.key is None else record.key.decode("utf-8", "replace"),
            "headers": {name: v.decode("utf-8", "replace") for name, v in record.headers},
            "value": value,
        },
        ensure_ascii=False,
    )
    return printable(line)
