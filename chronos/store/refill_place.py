"""How far a refill of the topics is, kept in PostgreSQL so that a killed one can go on.

A refill publishes what one snapshot shows. Who goes on sees more, and has to leave out what
that snapshot did not show: it might come before an older event of its account, which the relay
is to bring. What is past the newest position that the snapshot showed is left out by its
position; what was under way by the outbox, which keeps it until a relay has published it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec

from chronos.store import outbox_statements as statements
from chronos.store.cluster_identity import Identity, refuse_another
from chronos.store.faults import older_schema_named

_CHECKPOINTS: Final = """
SELECT shard, system_identifier, timeline_id
FROM relay_checkpoints
ORDER BY shard
"""

_BEGIN: Final = f"""
UPDATE relay_checkpoints
SET
  epoch = epoch + 1,
  system_identifier = {statements.REFILLING},
  timeline_id = $1::int
"""  # noqa: S608 - a constant

_BEGUN: Final = "SELECT system_identifier, timeline_id, place FROM relay_refill"
_FORGET: Final = "DELETE FROM relay_refill"
_REMEMBER: Final = """
INSERT INTO relay_refill (system_identifier, timeline_id) VALUES ($1::bigint, $2::int)
"""
_SET_PLACE: Final = "UPDATE relay_refill SET place = $1::jsonb"
_SAVE: Final = f"{_SET_PLACE} WHERE place IS NOT NULL"

# Whatever was not in a snapshot and has a position below its newest one.
_UNDER_WAY: Final = "\nUNION ALL\n".join(
    f"""
SELECT o.position
FROM relay_checkpoints AS c
CROSS JOIN LATERAL (
  SELECT position
  FROM {table}
  WHERE shard = c.shard
    AND xid >= pg_snapshot_xmin($1::text::pg_snapshot)
    AND NOT pg_visible_in_snapshot(xid, $1::text::pg_snapshot)
    AND position <= $2::bigint
) AS o
"""  # noqa: S608 - the tables are constants
    for table in statements.TABLES
)


class Place(msgspec.Struct):
    """What a refill publishes, and how far it is."""

    snapshot: str
    """In PostgreSQL's text form."""
    until: int
    """Newest position that the snapshot shows."""
    last: int = 0
    """Everything up to this position is in Kafka."""
    events: int = 0
    """How many events that is."""
    refusals: int = 0
    """How many refusals that is."""
    ends: dict[str, dict[int, int]] = {}
    """For each topic and partition the offset after the last of them."""


async def begin(connection: Any, command: int) -> Place | None:
    """Stops every relay; gives the place of a refill that was killed, if there is one.

    Args:
        connection: One that holds every shard.
        command: Which command asks: `BY_ITSELF` or `WITH_ALL`.

    Raises:
        UnsafeSetting: The topics alone may not be made anew: the database was restored, before
            or since a refill began, or a rebuild of everything did not end.
    """
    cluster = await connection.fetchrow(statements.IDENTITY)
    identity = Identity(**cluster)
    known = await connection.fetch(_CHECKPOINTS)
    async with _lasting(connection):
        begun = await connection.fetchrow(_BEGUN)
        if command == statements.BY_ITSELF:
            _refuse_a_part(identity, known, begun)
        place = _place(identity, known, begun)
        await connection.execute(_BEGIN, command)
        if place is None:
            await connection.execute(_FORGET)
            await connection.execute(_REMEMBER, *cluster)
    return place


async def put(connection: Any, place: Place | None) -> None:
    """Writes a place down for the first time: the topics are empty; None: they will be."""
    async with _lasting(connection):
        await connection.execute(_SET_PLACE, None if place is None else _text(place))


async def save(connection: Any, place: Place) -> None:
    """Writes down how far it is."""
    await connection.execute(_SAVE, _text(place))


async def forget(connection: Any) -> None:
    """Says that it came to its end."""
    await connection.execute(_FORGET)


async def under_way(connection: Any, place: Place) -> frozenset[int]:
    """Gives the positions below its newest one that the snapshot of a place does not show."""
    found = await connection.fetch(_UNDER_WAY, place.snapshot, place.until)
    return frozenset(row["position"] for row in found)


def _refuse_a_part(identity: Identity, known: Any, begun: Any) -> None:
    for one in known:
        own = (one["system_identifier"], one["timeline_id"])
        if own != (statements.REFILLING, statements.BY_ITSELF):
            refuse_another(identity, one["shard"], one)
        elif begun is not None:
            refuse_another(identity, one["shard"], begun)


def _place(identity: Identity, known: Any, begun: Any) -> Place | None:
    if begun is None or begun["place"] is None:
        return None
    began_on = Identity(
        system_identifier=begun["system_identifier"], timeline_id=begun["timeline_id"]
    )
    if began_on != identity:
        return None
    if any(one["system_identifier"] != statements.REFILLING for one in known):
        return None
    return msgspec.json.decode(begun["place"], type=Place)


def _text(place: Place) -> str:
    return msgspec.json.encode(place).decode()


@asynccontextmanager
async def _lasting(connection: Any) -> AsyncIterator[None]:
    """Is a transaction that lasts: the relay's role does not wait for the disk otherwise."""
    with older_schema_named():
        async with connection.transaction():
            await connection.execute("SET LOCAL synchronous_commit = on")
            yield
