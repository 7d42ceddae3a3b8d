"""`chronos events tail`: events, or rejections, as they lie in Kafka."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import click

from chronos.cli.instance import Instance, find_instance
from chronos.cli.show import instance_options, run
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
    """Print records of the topics of events and rejections."""


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
    key = "no key" if record.key is None else record.key.decode("utf-8", "replace")
    headers = "  ".join(
        f"{name}={value.decode('utf-8', 'replace')}" for name, value in record.headers
    )
    value = "" if record.value is None else record.value.decode("utf-8", "replace")
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
    return json.dumps(
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
