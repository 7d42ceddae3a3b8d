"""The schemas that consumers pin, against what the code writes and what it has ever written."""

import json
from typing import get_args

import msgspec
import pytest
from jsonschema import Draft202012Validator

from chronos.wire.balance import encode_balance, fold
from chronos.wire.codec import decode_event
from chronos.wire.contract.compatibility import broken_promises
from chronos.wire.contract.schemas import (
    BALANCE,
    REPUBLISH,
    VERSIONS,
    all_schemas,
    event_schemas,
    rejection_schemas,
    written,
)
from chronos.wire.event_shapes import SCHEMA_VERSIONS, EventShape
from chronos.wire.members import SINCE
from chronos.wire.rejection import RejectionShape
from chronos.wire.relay_control import decode_command
from chronos.wire.topics import Names
from tests.unit.wire.contract.documents import PUBLISHED, problems, published, stored
from tests.whole_day import whole_day

TOPICS = Names("chronos")
SHAPES = (*get_args(EventShape), RejectionShape)


@pytest.fixture
async def records():
    """Every record of a day on which everything happens, as the outbox has it."""
    return [row for booked in await whole_day() for row in booked.outbox_rows]


def test_what_consumers_have_is_kept_within_each_version():
    assert broken_promises(published(), all_schemas()) == []


@pytest.mark.parametrize("name", all_schemas())
def test_the_committed_file_is_what_the_code_makes(name):
    path = PUBLISHED / f"{name}.json"

    assert path.exists(), "run `chronos schemas --write chronos/wire/contract/published`"
    assert path.read_text(encoding="utf-8") == written(all_schemas()[name]), (
        "run `chronos schemas --write chronos/wire/contract/published`"
    )


@pytest.mark.parametrize("name", all_schemas())
def test_each_is_a_schema_in_which_every_member_is_described(name):
    schema = all_schemas()[name]

    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:chronos:schema:{name}"
    assert '"$ref"' not in json.dumps(schema), "a schema stands alone"
    undescribed = {member for member, s in schema["properties"].items() if not _says_what(s)}
    assert undescribed == set()


def test_each_type_and_version_of_an_event_has_a_schema_and_stored_bytes():
    versions = {
        f"{kind}.v{version}"
        for kind, newest in SCHEMA_VERSIONS.items()
        for version in range(1, newest + 1)
    }
    assert set(event_schemas()) == versions
    assert set(stored()) == versions, "keep bytes of each version in tests/fixtures/events"


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_the_newest_version_has_every_member_of_its_shape(shape):
    kind = shape.__struct_config__.tag
    newest = all_schemas()[f"{kind}.v{VERSIONS[kind]}"]["properties"]

    fields = msgspec.structs.fields(shape)
    assert set(newest) == {"type", *(field.encode_name for field in fields)}
    # What a version added is absent in older bytes, and these must be read.
    added = {name for name, member in newest.items() if member.get(SINCE, 1) > 1}
    assert added == {field.encode_name for field in fields if not field.required}


async def test_every_event_that_the_code_writes_fits_its_schema_and_says_nothing_else(records):
    schemas = event_schemas()
    seen = set()
    for row in records:
        if row.topic == TOPICS.events:
            event = json.loads(row.value)
            name = f"{event['type']}.v{event['schema_version']}"
            seen.add(event["type"])
            assert problems(event, schemas[name]) == []
            assert set(event) == set(schemas[name]["properties"])
    assert seen == set(SCHEMA_VERSIONS)


async def test_every_rejection_that_the_code_writes_fits_its_schema(records):
    (schema,) = rejection_schemas().values()
    rejections = [json.loads(r.value) for r in records if r.topic == TOPICS.rejections]

    assert {rejection["code"] for rejection in rejections} >= {
        "insufficient_funds", "same_account", "hold_not_open", "account_exists",
    }  # fmt: skip
    for rejection in rejections:
        assert problems(rejection, schema) == []
        assert set(rejection) == set(schema["properties"])
        for error in rejection["errors"]:
            assert set(error) == {"pointer", "code", "detail"}


async def test_every_balance_of_the_day_fits_its_schema():
    schema, balances = all_schemas()[BALANCE], {}
    for booked in await whole_day():
        for row in booked.event_rows:
            before = balances.get(row.account_id)
            after = fold(before, decode_event(row.body), row.body, row.hash)
            balances[row.account_id] = after
            document = json.loads(encode_balance(after))
            assert problems(document, schema) == []
            assert set(document) == set(schema["properties"])


def test_a_command_to_the_relay_fits_its_schema():
    command = b'{"command":"republish","account_id":"alice"}'
    assert problems(json.loads(command), all_schemas()[REPUBLISH]) == []
    assert decode_command(command).account_id == "alice"


@pytest.mark.parametrize("name", stored())
def test_bytes_of_every_version_fit_their_schema_and_are_still_read(name):
    body = stored()[name]

    assert problems(json.loads(body), published()[name]) == []
    recorded = decode_event(body)
    assert type(recorded.event).__name__ == name.partition(".")[0]


def test_what_a_version_did_not_have_has_a_meaning_where_it_is_absent():
    event = decode_event(stored()["MoneyDeposited.v1"]).event

    assert (event.external_id, event.legs) == (None, 2)
    assert "external_id" not in published()["MoneyDeposited.v1"]["properties"]


@pytest.mark.parametrize("name", stored())
def test_a_reader_takes_members_that_it_does_not_know(name):
    body = stored()[name]
    more = body[:-1] + b',"weather":"fine"}'

    assert problems(json.loads(more), published()[name]) == []
    assert decode_event(more) == decode_event(body)


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 70.5},
        {"amount": -1},
        {"amount": 2**53},
        {"amount": None},
        {"currency": "euro"},
        {"status_after": 4},
        {"recorded_at": 5},
        {"value_date": "2026-02-30"},
        {"event_id": "7"},
        {"schema_version": 1},
        {"type": "MoneyWithdrawn"},
        {"account_id": "a/b"},
    ],
    ids=str,
)
def test_a_value_that_cannot_be_does_not_fit(change):
    event = json.loads(stored()["MoneyDeposited.v2"])
    assert problems(event | change, published()["MoneyDeposited.v2"]) != []


@pytest.mark.parametrize("member", json.loads(stored()["MoneyDeposited.v2"]))
def test_an_event_without_a_member_of_its_version_does_not_fit(member):
    event = json.loads(stored()["MoneyDeposited.v2"])
    del event[member]
    assert problems(event, published()["MoneyDeposited.v2"]) != []


def _says_what(member):
    return "const" in member or member.get("description")
