"""Whether the index behind an alias has everything of its source: a note in the index tells.

The note is in the index's `_meta` and names the index by its uuid. An index that was lost and
made again has another uuid, so a note that comes late, or was meant for the one before, does
not count. What it cannot tell is that Elasticsearch itself gave an index older contents under
the same uuid: after a snapshot was restored over it, or an empty shard was forced into being,
`chronos rebuild elasticsearch` is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from elasticsearch import AsyncElasticsearch

from chronos.errors import InvariantBroken
from chronos.mirror.guard import CREATE_DEADLINE_S, guarded

FILLED = "filled"
REBUILT = "rebuilt"


class FillState(NamedTuple):
    """The index behind an alias, and whether it has everything of its source."""

    name: str
    """Of the index; empty when there is none."""
    uuid: str
    """Tells it from one of the same name made after it was lost; empty when there is none."""
    is_filled: bool
    is_catching_up: bool
    """True while a rebuild, which made it, has not brought it up to the journal."""


async def fill_state(client: AsyncElasticsearch, alias: str) -> FillState:
    """Tells whether the index behind an alias was filled from its source since it was made.

    Args:
        client: Elasticsearch.
        alias: The alias; the name of an index will do.

    Raises:
        Unavailable: Elasticsearch does not answer.
        InvariantBroken: There are several indices behind it.
    """
    with guarded():
        answer = dict(await client.indices.get(index=alias, ignore_unavailable=True))
    if not answer:
        return FillState("", "", is_filled=False, is_catching_up=False)
    name, index = sole_index(alias, answer)
    uuid = index["settings"]["index"]["uuid"]
    meta: dict[str, Any] = index["mappings"].get("_meta", {})
    filled = meta.get(FILLED)
    is_catching_up = bool(meta.get(REBUILT)) and not filled
    return FillState(name, uuid, filled == uuid, is_catching_up)


def sole_index(alias: str, answer: Mapping[str, Any]) -> tuple[str, Any]:
    """Gives the one index, and what was told of it, behind an alias that exists.

    Raises:
        InvariantBroken: There are several.
    """
    if len(answer) > 1:
        raise InvariantBroken(
            f"Behind the alias {alias} there are {len(answer)} indices,"
            f" {', '.join(sorted(answer))}: leave it on the one that is written to, then run"
            " `chronos rebuild elasticsearch`."
        )
    return next(iter(answer.items()))


async def mark_filled(client: AsyncElasticsearch, filled: FillState) -> None:
    """Notes in an index that it was filled from its source.

    Args:
        client: Elasticsearch.
        filled: The index, as `fill_state` told of it before the filling.

    Raises:
        Unavailable: Elasticsearch does not answer, or has no index of this name.
    """
    await _note(client, filled.name, {FILLED: filled.uuid})


async def mark_replaced(client: AsyncElasticsearch, name: str) -> None:
    """Takes the note away from an index that is not written to any more, if it is there.

    Whoever moves the alias back to it finds it in want of filling.

    Args:
        client: Elasticsearch.
        name: Of the index.

    Raises:
        Unavailable: Elasticsearch does not answer.
    """
    await _note(client.options(ignore_status=404), name, {FILLED: ""})


async def _note(client: AsyncElasticsearch, name: str, meta: dict[str, str]) -> None:
    with guarded():
        await client.options(request_timeout=CREATE_DEADLINE_S).indices.put_mapping(
            index=name, meta=meta
        )
