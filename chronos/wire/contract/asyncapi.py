"""The AsyncAPI 3.0 document of the topics, made from their names and from what they carry.

Source: AsyncAPI Specification 3.0.0; Kafka bindings 0.5.0; CloudEvents 1.0, Kafka binding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from chronos.wire.contract.schemas import (
    BALANCE,
    REPUBLISH,
    Schema,
    all_schemas,
    event_schemas,
    rejection_schemas,
)
from chronos.wire.dead_letter import FOUND_AT, FOUND_BY, LEFT_OUT, REASON, WRITTEN_AT
from chronos.wire.headers import SOURCE
from chronos.wire.members import ID, MOMENT, UUID
from chronos.wire.topics import Names, Topic

DOCUMENT: Final = "asyncapi"
_FOREIGN: Final = "ForeignRecord"
_JSON: Final = "application/json"
_KAFKA_BINDING: Final = "0.5.0"
_INTRODUCTION: Final = """\
What the ledger publishes. Amounts are whole minor units of their currency; a credit is
positive, a debit negative.

Records are delivered at least once: a record that comes again has the same `ce_id` and the
same bytes. An account's events come in the order of their `version`, without gaps, so a
consumer that remembers the newest version of each account skips what it knows and notices
what it lacks.

The key is the account's id, and the partition follows from it as Kafka's default partitioner
has it: (murmur2(key) & 0x7fffffff) % partitions. The count of partitions never changes. Events
and rejections of an account lie in partitions of the same number, and `position` orders them.

Ignore members that you do not know, and expect new values in an enum: both may come within a
schema version. What a version has stays. Any other change is a new `schema_version`, beside
the old one, whose events stay in the topic for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Channel:
    """A topic, as the document tells of it."""

    topic: str
    """Name of the topic."""
    title: str
    text: str
    messages: tuple[str, ...]
    action: str = "send"
    """What the ledger does: send or receive."""


def asyncapi_document(
    names: Names, *, partitions: int, shards: int, version: str
) -> dict[str, Any]:
    """Makes the document.

    Args:
        names: The names of an instance.
        partitions: Of the topics that are keyed by account.
        shards: Of the outbox.
        version: Version of Chronos.
    """
    topics = {topic.name: topic for topic in names.topics}
    channels = _channels(names)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Chronos topics",
            "version": version,
            "description": _INTRODUCTION,
            "license": {"name": "MIT"},
        },
        "defaultContentType": _JSON,
        "channels": {
            name: _channel(channel, topics[channel.topic], partitions, shards)
            for name, channel in channels.items()
        },
        "operations": {
            f"{channel.action}-{name}": {
                "action": channel.action,
                "channel": {"$ref": f"#/channels/{name}"},
                "summary": channel.title,
            }
            for name, channel in channels.items()
        },
        "components": {"messages": _messages(), "schemas": _payloads()},
    }


def _channels(names: Names) -> dict[str, _Channel]:
    return {
        "events": _Channel(
            topic=names.events,
            title="Everything that happened to the accounts.",
            text="Keyed by account, in the order of its versions. Kept for ever: from its "
            "beginning, every balance can be made anew.",
            messages=tuple(event_schemas()),
        ),
        "rejections": _Channel(
            topic=names.rejections,
            title="Every command on a known account that was refused by a rule of the bank.",
            text="Keyed by the account that the command was about, in the order of its "
            "positions. A retry of a refused command adds nothing. Kept for ever.",
            messages=tuple(rejection_schemas()),
        ),
        "dead-letters": _Channel(
            topic=names.dead_letters,
            title="Records that were found in a topic of the ledger and are not its own.",
            text="Key, value and headers as they were found. Kept for ever.",
            messages=(_FOREIGN,),
        ),
        "relay-control": _Channel(
            topic=names.relay_control,
            title="Commands to the relay.",
            text="One partition for each shard of the outbox; an account's shard is its "
            "partition modulo the count of shards. Inside of the ledger; for its operators.",
            messages=(REPUBLISH,),
            action="receive",
        ),
        "balances-changelog": _Channel(
            topic=names.balances_changelog,
            title="The newest balance of every account.",
            text="Keyed by account and compacted. It is the changelog of the table of "
            "balances: one record for each account and batch of events, never an older one "
            "after a newer.",
            messages=(BALANCE,),
        ),
    }


def _channel(channel: _Channel, topic: Topic, partitions: int, shards: int) -> dict[str, Any]:
    return {
        "address": channel.topic,
        "title": channel.title.removesuffix("."),
        "description": channel.text,
        "messages": {
            name: {"$ref": f"#/components/messages/{name}"} for name in channel.messages
        },
        "bindings": {
            "kafka": {
                "topic": channel.topic,
                "partitions": partitions if topic.is_by_account else shards,
                "topicConfiguration": {
                    name: [value] if name == "cleanup.policy" else int(value)
                    for name, value in topic.configs.items()
                },
                "bindingVersion": _KAFKA_BINDING,
            }
        },
    }


def _messages() -> dict[str, Any]:
    schemas = all_schemas()
    return {
        **{
            name: _message(name, schema, headers=_event_headers(schema))
            for name, schema in event_schemas().items()
        },
        **{
            name: _message(name, schema, headers=_cloud_event(schema))
            for name, schema in rejection_schemas().items()
        },
        BALANCE: _message(BALANCE, schemas[BALANCE]),
        REPUBLISH: _message(REPUBLISH, schemas[REPUBLISH], is_keyed=False),
        _FOREIGN: _foreign_record(),
    }


def _message(
    name: str, schema: Schema, *, headers: Schema | None = None, is_keyed: bool = True
) -> dict[str, Any]:
    message: dict[str, Any] = {
        "name": schema["title"],
        "title": schema["title"],
        "summary": schema["description"],
        "contentType": _JSON,
        "payload": {"$ref": f"#/components/schemas/{name}"},
    }
    if is_keyed:
        key = {"type": "string", "description": "The account's id.", **ID}
        message["bindings"] = {"kafka": {"key": key, "bindingVersion": _KAFKA_BINDING}}
    if headers is not None:
        message["headers"] = headers
        message["correlationId"] = {
            "description": "The request that led to it.",
            "location": "$message.payload#/correlation_id",
        }
    return message


def _foreign_record() -> dict[str, Any]:
    texts = {
        FOUND_AT: "Topic, partition and offset: `topic/3/17`.",
        FOUND_BY: "The agent that met it; two agents that read one topic move it twice.",
        REASON: "What it lacks.",
        WRITTEN_AT: "When it was written to that topic.",
        LEFT_OUT: "Size and SHA-256 of a value that is too large to be moved; it lies where "
        "it was found.",
    }
    return {
        "name": _FOREIGN,
        "title": _FOREIGN,
        "summary": "A record of somebody else, with the place where it was found.",
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "description": "The record's own headers, and behind them these.",
            "properties": {
                name: {"type": "string", "description": text} for name, text in texts.items()
            },
            "required": [FOUND_AT],
        },
        "payload": {"description": "The bytes as they were found."},
    }


def _event_headers(schema: Schema) -> Schema:
    headers = _cloud_event(schema)
    headers["properties"]["ce_id"] |= UUID
    headers["properties"] |= {
        "ce_version": {
            "type": "string",
            "description": "The event's `version`, as digits.",
            "pattern": "^[1-9][0-9]*$",
        },
        "ce_hash": {
            "type": "string",
            "description": "SHA-256 over the hash of the account's event before, then the "
            "value; over the value alone for its first event.",
            "pattern": "^[0-9a-f]{64}$",
        },
    }
    headers["required"] += ["ce_version", "ce_hash"]
    return headers


def _cloud_event(schema: Schema) -> Schema:
    """Gives the headers of every record of the ledger's own: CloudEvents in binary mode."""
    members: dict[str, Schema] = {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": {"type": "string", "description": "The same for every delivery."},
        "ce_type": {"type": "string", "const": schema["title"]},
        "ce_source": {"type": "string", "const": SOURCE.decode()},
        "ce_subject": {"type": "string", "description": "The account's id.", **ID},
        "ce_time": {"type": "string", "description": "`recorded_at`.", **MOMENT},
        "content-type": {"type": "string", "const": _JSON},
    }
    trace = {
        "type": "string",
        "description": "W3C trace context of the request; not in records that were published "
        "again from the journal.",
    }
    return {
        "type": "object",
        "properties": {**members, "traceparent": trace},
        "required": list(members),
    }


def _payloads() -> dict[str, Schema]:
    # The document has a dialect of its own, and addresses schemas by their place in it.
    return {
        name: {key: value for key, value in schema.items() if not key.startswith("$")}
        for name, schema in all_schemas().items()
    }
