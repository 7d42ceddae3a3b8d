"""Compares a schema that consumers have with the one that the code makes now.

Stored events are for ever, and consumers pin what they were built for. So within one schema
version nothing is taken away and nothing is asked for anew; what may change:

- words: titles, descriptions;
- a member that need not be there may be added;
- a list of values may grow.

Everything else is another schema version, beside the old one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from chronos.wire.contract.schemas import VERSIONS, Schema
from chronos.wire.members import SINCE

_WORDS: Final = {"$schema", "$id", "title", "description", SINCE}


def broken_promises(
    committed: Mapping[str, Schema], generated: Mapping[str, Schema]
) -> list[str]:
    """Tells, one after another, what consumers of the committed schemas could not rely on.

    Args:
        committed: The schemas that were given out, by their names.
        generated: The schemas of the code as it is now.
    """
    sentences = []
    for name, old in committed.items():
        new = generated.get(name)
        found = ["it is gone"] if new is None else sorted(set(differences(old, new)))
        sentences += [f"{name}: {what}. {_way_out(name, committed)}" for what in found]
    return sentences


def differences(old: Schema, new: Schema, where: str = "") -> Iterator[str]:
    """Yields what differs so that one side could not read what the other writes.

    Args:
        old: A schema.
        new: The schema in its place.
        where: JSON pointer of the value that they describe; `*` stands for any item.
    """
    yield from _members(old, new, where)
    for keyword in sorted((old.keys() | new.keys()) - _WORDS - {"properties", "required"}):
        before, after = old.get(keyword), new.get(keyword)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from differences(before, after, f"{where}/*")
        elif keyword == "enum" and before is not None and after is not None:
            gone = ", ".join(str(value) for value in before if value not in after)
            if gone:
                yield f"{where} no longer takes {gone}"
        elif before != after:
            yield f"{where or '/'} has {keyword} {_shown(after)}, it had {_shown(before)}"


def _members(old: Schema, new: Schema, where: str) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    needed_before, needed = set(old.get("required", ())), set(new.get("required", ()))
    for name in before:
        if name in after:
            yield from differences(before[name], after[name], f"{where}/{name}")
        else:
            yield f"{where}/{name} is gone"
    for name in needed - needed_before:
        yield f"{where}/{name} must be there now"
    for name in (needed_before - needed) & after.keys():
        yield f"{where}/{name} need not be there any more"


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return " or ".join(map(str, value)) if isinstance(value, list) else str(value)


def _way_out(name: str, committed: Mapping[str, Schema]) -> str:
    """Says what to do instead."""
    kind = name.partition(".")[0]
    if kind not in VERSIONS:
        return (
            "Consumers have the old form, and so has the topic. Leave it as it is, and add a "
            "member with a default instead."
        )
    coming = 1 + sum(other.partition(".")[0] == kind for other in committed)
    return (
        "Records of this version are for ever. Leave it as it is: give the shape a new member "
        f"with `since={coming}` and a default, make {coming} the schema version of {kind}, and "
        "run `chronos schemas --write`."
    )
