"""What a list of postings can be narrowed by, as queries of Elasticsearch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final

from chronos.domain.money import AMOUNT_MAX
from chronos.wire.codec import format_instant

SEARCHED_FIELDS: Final = ("description", "external_id.words")
# Elasticsearch refuses bounds of a `date_nanos` that it could not store. No event is outside.
_NANOS_BEGIN: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NANOS_END: Final = datetime(2262, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """Which entries; every part given must hold."""

    recorded_from: datetime | None = None
    """Inclusive."""
    recorded_until: datetime | None = None
    """Exclusive."""
    value_from: date | None = None
    """Inclusive, as is the day of the end."""
    value_to: date | None = None
    amount_min: int | None = None
    """Of what was moved or held, whichever its direction; in minor units."""
    amount_max: int | None = None
    counterparty: str | None = None
    external_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None
    """What a person typed."""


def clauses(narrowing: Narrowing) -> Iterator[dict[str, Any]]:
    """Gives the filters that narrow a search to these entries."""
    yield from terms(
        {
            "counterparty": narrowing.counterparty,
            "external_id": narrowing.external_id,
            **{f"metadata.{key}": value for key, value in narrowing.metadata.items()},
        }
    )
    yield from _between(
        "recorded_at",
        gte=_instant(narrowing.recorded_from),
        lt=_instant(narrowing.recorded_until),
    )
    yield from _between(
        "value_date", gte=_day(narrowing.value_from), lte=_day(narrowing.value_to)
    )
    if narrowing.amount_min is not None or narrowing.amount_max is not None:
        yield _amounts(narrowing.amount_min or 0, narrowing.amount_max)
    if narrowing.text is not None:
        yield words(narrowing.text, SEARCHED_FIELDS)


def terms(exact: Mapping[str, str | None]) -> Iterator[dict[str, Any]]:
    """Gives a filter for each field that must have a value."""
    for name, value in exact.items():
        if value is not None:
            yield {"term": {name: value}}


def words(text: str, fields: Sequence[str]) -> dict[str, Any]:
    """Gives the filter for what a person typed.

    The simple syntax has no error: what it cannot read is taken as words. Only these fields and
    operators exist, so no text reaches another field or becomes a costly query.
    """
    return {
        "simple_query_string": {
            "query": text,
            "fields": list(fields),
            "default_operator": "and",
            "flags": "AND|OR|NOT|PHRASE|PREFIX|WHITESPACE",
            "analyze_wildcard": False,
        }
    }


def _between(name: str, **bounds: str | None) -> Iterator[dict[str, Any]]:
    given = {bound: value for bound, value in bounds.items() if value is not None}
    if given:
        yield {"range": {name: given}}


def _amounts(low: int, high: int | None) -> dict[str, Any]:
    # Amounts are indexed with their sign: a payment of 5 is -5 here and 5 there.
    top = AMOUNT_MAX if high is None else high
    upward, downward = {"gte": low, "lte": top}, {"gte": -top, "lte": -low}
    either = (("amount", upward), ("amount", downward), ("hold_amount", upward))
    return {
        "bool": {
            "should": [{"range": {name: bounds}} for name, bounds in either],
            "minimum_should_match": 1,
        }
    }


def _instant(instant: datetime | None) -> str | None:
    if instant is None:
        return None
    return format_instant(min(max(instant, _NANOS_BEGIN), _NANOS_END))


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
