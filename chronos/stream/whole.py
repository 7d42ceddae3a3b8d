"""Whether a topic that is kept for ever still holds what a consumer has to read next.

Kafka answers a request for records that it has deleted with an error, and its clients go on at
the oldest record that is left, without a word: what lies between would be in no read model. So
whoever reads such a topic looks where it begins, at its start and wherever numbers are missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chronos.errors import InvariantBroken


class CutShort(InvariantBroken):
    """Says that records are gone which were not read; only PostgreSQL still has them."""


def prove_whole(read_next: Mapping[Any, int], begins: Mapping[Any, int | None]) -> None:
    """Proves that no partition begins behind the record that is read next.

    Args:
        read_next: For each partition the offset of the next record.
        begins: For each partition the offset of its oldest record.

    Raises:
        CutShort: Records are gone.
    """
    for place, following in sorted(read_next.items()):
        begin = begins.get(place)
        if begin is not None and begin > following:
            raise CutShort(
                f"Kafka has deleted the records {following} to {begin - 1} of {place.topic}, "
                f"partition {place.partition}, before they were read here. Set the topic to be "
                "kept for ever, and run `chronos rebuild all`."
            )
