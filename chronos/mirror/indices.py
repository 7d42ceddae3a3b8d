"""The indices: their mappings, and how they come into being behind aliases.

Everybody reads and writes by alias (`{ns}-entries`, `{ns}-accounts`). The index behind it
carries a number, so that a rebuild fills a new one, proves it equal, and moves the alias.
Mappings are strict: a field that nobody planned stops the writer instead of being guessed from
its first value. They use only what every distribution of Elasticsearch 8 has: no scripts, no
pipelines, no plugins.

A field is indexed if somebody may look for it, and has values for sorting and sums if somebody
may want those; the rest is given back as it came. Where searches see an entry half a second
after it was written, that is an eighth of what it costs (`tests/results/profiles/mirror.txt`).

`recorded_at` is `date_nanos`: `date` would cut the microseconds off, and a page asked "up to
here" would hold events from after it.

One primary shard an index: all events of an account are then taken or refused together, so that
a version that can be seen has every earlier one beside it. A shard holds two thousand million
documents at most; an instance that nears it needs routing by account first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from elasticsearch import AsyncElasticsearch

from chronos.errors import InvariantBroken, Unavailable
from chronos.mirror.fill_state import sole_index
from chronos.mirror.guard import CREATE_DEADLINE_S, SearchRefused, guarded
from chronos.wire.topics import Names

REFRESH_INTERVAL = "500ms"
_SETTINGS: dict[str, Any] = {
    "number_of_shards": 1,
    # No copy on a single node, one where there is a second node to hold it.
    "auto_expand_replicas": "0-1",
    "refresh_interval": REFRESH_INTERVAL,
}
_KEYWORD = {"type": "keyword"}
_LONG = {"type": "long"}
# Found, but not sorted by.
_KEYWORD_FOUND = {"type": "keyword", "doc_values": False}
# Sorted and summed, and found slowly.
_LONG_SUMMED = {"type": "long", "index": False}
# Kept and given back.
_KEPT = {"index": False, "doc_values": False}
_KEYWORD_KEPT = _KEYWORD | _KEPT
_LONG_KEPT = _LONG | _KEPT
_SHORT_KEPT = {"type": "short"} | _KEPT
_DATE = {"type": "date", "format": "strict_date"}
_INSTANT = {"type": "date_nanos", "format": "strict_date_optional_time_nanos"}
# To the millisecond, in any year: `date_nanos` ends in 2262, and a hold may end later.
_MOMENT = {"type": "date", "format": "strict_date_optional_time_nanos"}
_FLATTENED = {"type": "flattened"}
_WORDS = {"type": "text", "analyzer": "standard", "norms": False}
_KEYWORD_AND_WORDS = {"type": "keyword", "fields": {"words": _WORDS}}
# The same for an object, whatever is in it.
_CARRIED: dict[str, Any] = {"type": "object", "enabled": False}

# The name is taken, or the alias.
_MADE_MEANWHILE = ("resource_already_exists_exception", "more than one write index")

# Of what exists they cannot be changed; Elasticsearch leaves them out where they are true.
_HOW = ("index", "doc_values")

ENTRIES_MAPPING: dict[str, Any] = {
    "dynamic": "strict",
    "properties": {
        "event_id": _KEYWORD_KEPT,  # found as `_id`
        "type": _KEYWORD,
        "schema_version": _SHORT_KEPT,
        "account_id": _KEYWORD,
        "version": _LONG,
        "position": _LONG,
        "hash": _KEYWORD_KEPT,
        "transfer_id": _KEYWORD,
        "leg": {"type": "short"},
        "legs": _SHORT_KEPT,
        "reverses_transfer_id": _KEYWORD,
        "currency": _KEYWORD,
        "amount": _LONG,
        "counterparty": _KEYWORD,
        "booked_after": _LONG_SUMMED,
        "held_after": _LONG_SUMMED,
        "available_after": _LONG_SUMMED,
        "overdraft_limit_after": _LONG_KEPT,
        "status_after": _SHORT_KEPT,
        "description": _WORDS,
        "metadata": _FLATTENED,
        "kind": _KEYWORD,
        "external_id": _KEYWORD_AND_WORDS,
        "hold_id": _KEYWORD,
        "hold_amount": _LONG,
        "captured_amount": _LONG_KEPT,
        "destination": _KEYWORD,
        "expires_at": _MOMENT,
        "open_holds_after": _LONG_KEPT,
        "scope": _KEYWORD,
        "value_date": _DATE,
        "recorded_at": _INSTANT,
        "principal": _KEYWORD_FOUND,
        "correlation_id": _KEYWORD_FOUND,
        "causation_id": _KEYWORD_FOUND,
    },
}

ACCOUNTS_MAPPING: dict[str, Any] = {
    "dynamic": "strict",
    "properties": {
        "account_id": _KEYWORD_AND_WORDS,
        "currency": _KEYWORD,
        "kind": _KEYWORD,
        "status": _KEYWORD,
        "version": _LONG_SUMMED,
        "booked": _LONG_SUMMED,
        "held": _LONG_SUMMED,
        "available": _LONG_SUMMED,
        "overdraft_limit": _LONG_SUMMED,
        "holds": _CARRIED,
        "hash": _KEYWORD_KEPT,
        "event_id": _KEYWORD_KEPT,
        "position": _LONG_SUMMED,
        "recorded_at": _INSTANT,
        "opened_at": _INSTANT,
        "opened_on": _DATE,
        "external_id": _KEYWORD_AND_WORDS,
        "metadata": _FLATTENED,
        "metadata_words": _WORDS,
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    alias: str
    mapping: dict[str, Any]


async def ensure_indices(client: AsyncElasticsearch, names: Names) -> list[str]:
    """Makes the templates, and each index whose alias does not exist yet. Safe to repeat.

    An index that exists gets the fields that the mapping gained since.

    Returns:
        The names of the indices that were made now.

    Raises:
        Unavailable: Elasticsearch does not answer.
        InvariantBroken: An existing index contradicts the mapping; it has to be rebuilt.
    """
    made: list[str] = []
    for plan in _plans(names):
        await _put_template(client, plan)
        before = len(made)
        while not await _alias_exists(client, plan.alias):
            name = await create_index(client, plan.alias, behind=plan.alias)
            made += [name] if name else []
        if len(made) == before:
            await _add_new_fields(client, plan)
    return made


async def put_templates(client: AsyncElasticsearch, names: Names) -> None:
    """Makes the templates, or brings them to this version; no index is touched.

    Raises:
        Unavailable: Elasticsearch does not answer.
    """
    for plan in _plans(names):
        await _put_template(client, plan)


def index_name(alias: str, generation: int) -> str:
    """Gives the name of an index behind an alias."""
    return f"{alias}-v{generation}"


async def create_index(
    client: AsyncElasticsearch,
    alias: str,
    *,
    behind: str,
    settings: Mapping[str, Any] | None = None,
    meta: Mapping[str, Any] | None = None,
) -> str | None:
    """Makes the empty index of a generation that never was, behind an alias, in one step.

    A number is not used again while an index of it or of a later one is there: what was
    replaced, or is still being made by a rebuild, never becomes current because the alias is
    missing. And it is Elasticsearch that decides between two who make one at the same moment:
    no name exists twice, and no alias has two indices to write to.

    Args:
        client: Elasticsearch.
        alias: The alias whose next generation this is; `put_templates` was called before.
        behind: The alias that it is put behind.
        settings: Further settings of the index.
        meta: What is noted in it.

    Returns:
        Its name; None when somebody made one meanwhile, so that the alias has to be looked at
        again.

    Raises:
        Unavailable: Elasticsearch does not answer.
    """
    there = await generations(client, alias)
    name = index_name(alias, max((index.number for index in there), default=0) + 1)
    try:
        with guarded():
            await client.options(request_timeout=CREATE_DEADLINE_S).indices.create(
                index=name,
                aliases={behind: {"is_write_index": True}},
                settings={"index": {**(settings or {})}},
                mappings={"_meta": {**(meta or {})}},
            )
    except (SearchRefused, Unavailable) as refusal:
        if not any(sign in str(refusal) for sign in _MADE_MEANWHILE):
            raise
        return None
    return name


class Generation(NamedTuple):
    """One index that was made for an alias and is there."""

    name: str
    number: int
    aliases: frozenset[str]


async def generations(client: AsyncElasticsearch, alias: str) -> list[Generation]:
    """Lists every index that was made for an alias and is there, as of one moment."""
    with guarded():
        answer = await client.indices.get(
            index=f"{alias}-v*", filter_path=["*.aliases"], expand_wildcards="all"
        )
    head = index_name(alias, 0)[:-1]
    return [
        Generation(name, int(name.removeprefix(head)), frozenset(index["aliases"]))
        for name, index in sorted(dict(answer).items())
        # What an operator put beside them by hand is not ours.
        if name.removeprefix(head).isdigit()
    ]


async def delete_indices(client: AsyncElasticsearch, names: Names) -> None:
    """Deletes everything that `ensure_indices` and rebuilds made for these names."""
    for alias in (names.entries_alias, names.accounts_alias):
        found = [generation.name for generation in await generations(client, alias)]
        with guarded():
            if found:
                await client.options(request_timeout=CREATE_DEADLINE_S).indices.delete(
                    index=found
                )
            await client.options(ignore_status=404).indices.delete_index_template(name=alias)


def _plans(names: Names) -> tuple[_Plan, ...]:
    return (
        _Plan(alias=names.entries_alias, mapping=ENTRIES_MAPPING),
        _Plan(alias=names.accounts_alias, mapping=ACCOUNTS_MAPPING),
    )


async def _put_template(client: AsyncElasticsearch, plan: _Plan) -> None:
    with guarded():
        await client.options(request_timeout=CREATE_DEADLINE_S).indices.put_index_template(
            name=plan.alias,
            index_patterns=[f"{plan.alias}-v*"],
            template={"settings": {"index": _SETTINGS}, "mappings": plan.mapping},
            # Above the templates that come with a full distribution.
            priority=500,
        )


async def _alias_exists(client: AsyncElasticsearch, alias: str) -> bool:
    with guarded():
        return bool(await client.indices.exists_alias(name=alias))


async def _add_new_fields(client: AsyncElasticsearch, plan: _Plan) -> None:
    try:
        with guarded():
            client = client.options(request_timeout=CREATE_DEADLINE_S)
            known = await client.indices.get_mapping(index=plan.alias)
            _, index = sole_index(plan.alias, dict(known))
            await client.indices.put_mapping(
                index=plan.alias,
                write_index_only=True,
                dynamic=plan.mapping["dynamic"],
                properties=_beside(index["mappings"], plan.mapping["properties"]),
            )
    except SearchRefused as refusal:
        raise InvariantBroken(
            f"The index behind {plan.alias} contradicts this version's mapping: run"
            f" `chronos rebuild elasticsearch`. {refusal}"
        ) from refusal


def _beside(known: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """Gives the wanted fields as an index can take them, which has some of them already.

    What is indexed and what has values is said when a field is made, and never again: an older
    index keeps what it has until it is rebuilt, which is more than is asked for.
    """
    made = known.get("properties", {})
    return {
        name: field
        | {how: made[name].get(how, True) for how in _HOW if how in field | made[name]}
        if name in made
        else field
        for name, field in wanted.items()
    }
