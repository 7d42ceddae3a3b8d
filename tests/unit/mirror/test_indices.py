"""The strict mappings have a field for everything that is written."""

import msgspec

from chronos.mirror.accounts import to_source
from chronos.mirror.entries import EVENT_TYPES
from chronos.mirror.indices import ACCOUNTS_MAPPING, ENTRIES_MAPPING
from chronos.wire.event_shapes import EventShape
from tests.integration.mirror.values import balance


def test_every_member_of_every_event_has_a_field():
    shapes = msgspec.inspect.type_info(EventShape).types
    members = {field.encode_name for shape in shapes for field in shape.fields}

    assert {shape.tag for shape in shapes} == set(EVENT_TYPES)
    assert ENTRIES_MAPPING["properties"].keys() == members | {"type", "hash"}


def test_every_member_of_an_account_has_a_field():
    assert ACCOUNTS_MAPPING["properties"].keys() == to_source(balance()).keys()


def test_both_mappings_refuse_what_nobody_planned():
    assert {mapping["dynamic"] for mapping in (ENTRIES_MAPPING, ACCOUNTS_MAPPING)} == {"strict"}
