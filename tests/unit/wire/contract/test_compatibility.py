"""A schema that was given out may gain, and never lose."""

import copy

import pytest

from chronos.wire.contract.compatibility import broken_promises
from chronos.wire.contract.schemas import all_schemas

EVENT = "MoneyDeposited.v2"


def changed(name, change):
    """What is said when the code makes another schema than the one that was given out."""
    schemas = all_schemas()
    now = copy.deepcopy(schemas)
    change(now[name])
    return broken_promises(schemas, now)


def replaced(member, **keywords):
    return lambda schema: schema["properties"][member].update(keywords)


def removed(member):
    def change(schema):
        del schema["properties"][member]
        schema["required"] = [name for name in schema["required"] if name != member]

    return change


def added(member, *, required):
    def change(schema):
        schema["properties"][member] = {"type": "string"}
        schema["required"] += [member] * required

    return change


def not_required(schema):
    schema["required"].remove("amount")


def of_hold(schema):
    hold = schema["properties"]["holds"]["items"]
    del hold["properties"]["expires_at"]


def sentence_or_name(part):
    """Names a case by its texts; the name of a function made on the way has its address."""
    return part if isinstance(part, str) else "by"


@pytest.mark.parametrize(
    ("name", "change", "what"),
    [
        (EVENT, removed("leg"), "/leg is gone"),
        (EVENT, added("fee", required=True), "/fee must be there now"),
        (EVENT, not_required, "/amount need not be there any more"),
        (EVENT, replaced("amount", type="string"), "/amount has type string, it had integer"),
        (
            EVENT,
            replaced("counterparty", type="string"),
            "/counterparty has type string, it had string or null",
        ),
        (EVENT, replaced("amount", type=["integer", "null"]), "/amount has type integer or"),
        (EVENT, replaced("amount", maximum=10), "/amount has maximum 10, it had 9007199254740"),
        (EVENT, replaced("status_after", enum=[0, 1, 2]), "/status_after no longer takes 3"),
        (EVENT, replaced("principal", pattern="^a"), "/principal has pattern ^a, it had none"),
        (EVENT, replaced("principal", enum=["a"]), "/principal has enum a, it had none"),
        (EVENT, replaced("leg", enum=[0, 1]), "/leg has enum 0 or 1, it had none"),
        (
            EVENT,
            lambda schema: schema.update(additionalProperties=False),
            "/ has additionalProperties False, it had True",
        ),
        (
            EVENT,
            replaced("metadata", additionalProperties={"type": "integer"}),
            "/metadata/* has type integer, it had string",
        ),
        ("Balance", of_hold, "/holds/*/expires_at is gone"),
        ("CommandRejected.v1", removed("code"), "/code is gone"),
    ],
    ids=sentence_or_name,
)
def test_a_loss_is_told_in_a_sentence(name, change, what):
    (sentence,) = changed(name, change)
    assert sentence.startswith(f"{name}: {what}")


@pytest.mark.parametrize(
    "change",
    [
        added("note", required=False),
        replaced("status_after", enum=[0, 1, 2, 3, 4]),
        replaced("amount", description="In other words."),
        replaced("status_after", title="Status"),
    ],
    ids=("new field", "new value", "description", "title"),
)
def test_a_gain_and_another_word_are_no_loss(change):
    assert changed(EVENT, change) == []


def test_the_sentence_about_an_event_says_that_the_next_version_is_the_way():
    (sentence,) = changed(EVENT, added("fee", required=True))

    assert "since=3" in sentence
    assert "make 3 the schema version of MoneyDeposited" in sentence
    assert "chronos schemas --write" in sentence


def test_a_value_without_versions_grows_by_a_member_with_a_default():
    (sentence,) = changed("Balance", added("limit", required=True))
    assert sentence.endswith("add a member with a default instead.")


def test_a_version_that_is_not_made_any_more_is_missed():
    schemas = all_schemas()
    now = {name: schema for name, schema in schemas.items() if name != "MoneyDeposited.v1"}

    (sentence,) = broken_promises(schemas, now)

    assert sentence.startswith("MoneyDeposited.v1: it is gone")


def test_a_new_version_beside_the_old_ones_breaks_nothing():
    schemas = all_schemas()
    assert broken_promises(schemas, {**schemas, "HoldPlaced.v2": {"type": "object"}}) == []
