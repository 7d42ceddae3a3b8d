"""The document of the topics, against the records, the topics and the specification."""

import json
import re

import pytest
from jsonschema import Draft7Validator

from chronos.settings import Settings
from chronos.stream.topics import topic_plans
from chronos.wire.contract.asyncapi import asyncapi_document
from chronos.wire.contract.schemas import all_schemas, event_schemas, written
from chronos.wire.headers import decode_headers
from chronos.wire.topics import Names
from tests.unit.wire.contract.documents import PUBLISHED, problems
from tests.whole_day import whole_day

SETTINGS = Settings()


@pytest.fixture
def document():
    return documented("chronos", partitions=8, shards=2)


def documented(namespace, **sizes):
    return asyncapi_document(Names(namespace), version="0.1.0", **sizes)


def resolved(document, node):
    """Follows a reference of the document."""
    assert set(node) == {"$ref"}
    found = document
    for step in node["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found


def references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node
        for member in node.values():
            yield from references(member)
    elif isinstance(node, list):
        for member in node:
            yield from references(member)


def test_the_committed_file_is_what_the_code_makes(document):
    assert (PUBLISHED / "asyncapi.json").read_text(encoding="utf-8") == written(document), (
        "run `chronos schemas --write chronos/wire/contract/published`"
    )


def test_it_has_every_topic_as_it_is_made(document):
    plans = {plan.name: plan for plan in topic_plans(SETTINGS)}
    channels = {channel["address"]: channel for channel in document["channels"].values()}

    assert channels.keys() == plans.keys()
    for name, plan in plans.items():
        kafka = channels[name]["bindings"]["kafka"]
        assert (kafka["topic"], kafka["partitions"]) == (name, plan.partitions)
        configs = kafka["topicConfiguration"]
        assert configs.pop("cleanup.policy") == [plan.configs["cleanup.policy"]]
        rest = {k: v for k, v in plan.configs.items() if k != "cleanup.policy"}
        assert {key: str(value) for key, value in configs.items()} == rest


def test_names_and_sizes_are_those_of_the_instance():
    document = documented("other", partitions=12, shards=3)

    channels = document["channels"]
    assert channels["events"]["address"] == "other.events.v1"
    assert channels["events"]["bindings"]["kafka"]["partitions"] == 12
    assert channels["relay-control"]["bindings"]["kafka"]["partitions"] == 3
    assert '"chronos.' not in json.dumps(document)


def test_every_reference_leads_to_what_it_promises(document):
    found = list(references(document))

    assert found
    for reference in found:
        assert resolved(document, reference)
    for operation in document["operations"].values():
        assert operation["action"] in ("send", "receive")
        assert "address" in resolved(document, operation["channel"])
    for message in document["components"]["messages"].values():
        payload = message["payload"]
        if "$ref" in payload:
            Draft7Validator.check_schema(resolved(document, payload))
        Draft7Validator.check_schema(message.get("headers", {}))


def test_every_message_lies_in_one_topic_and_every_schema_is_some_messages(document):
    messages = document["components"]["messages"]
    channels = document["channels"].values()
    placed = [name for channel in channels for name in channel["messages"]]

    assert sorted(placed) == sorted(messages)
    assert set(document["components"]["schemas"]) == set(all_schemas())
    assert set(document["channels"]["events"]["messages"]) == set(event_schemas())
    keys = [*messages, *document["components"]["schemas"], *document["operations"]]
    # Source: AsyncAPI 3.0.0, Components Object: the form of its keys.
    assert [key for key in keys if not re.fullmatch(r"[a-zA-Z0-9.\-_]+", key)] == []


async def test_every_record_of_a_day_fits_what_the_document_says_of_it(document):
    records = [row for booked in await whole_day() for row in booked.outbox_rows]
    channels = {channel["address"]: channel for channel in document["channels"].values()}

    for row in records:
        value = json.loads(row.value)
        name = f"{value['type']}.v{value['schema_version']}"
        message = resolved(document, channels[row.topic]["messages"][name])
        headers = {key: text.decode() for key, text in decode_headers(row.headers)}
        assert problems(headers, message["headers"]) == []
        assert set(headers) == set(message["headers"]["properties"])
        assert problems(value, resolved(document, message["payload"])) == []
        key = message["bindings"]["kafka"]["key"]
        assert problems(row.key.decode(), key) == []
        assert headers["ce_type"] == message["name"] == value["type"]
        assert headers["ce_subject"] == row.key.decode() == value["account_id"]


async def test_a_record_without_a_trace_fits_too(document):
    (booked, *_) = await whole_day()
    row = booked.outbox_rows[0]
    headers = {k: v.decode() for k, v in decode_headers(row.headers) if k != "traceparent"}

    message = document["components"]["messages"]["AccountOpened.v1"]

    assert problems(headers, message["headers"]) == []
    assert problems(headers | {"ce_hash": "none"}, message["headers"]) != []
    assert problems({}, message["headers"]) != []
