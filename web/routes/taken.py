"""The query parameters of all views, each described once, as `web.parameters` reads them."""

from __future__ import annotations

from typing import Any, Final

from chronos.domain.account import AccountStatus
from chronos.domain.chart import AccountKind
from chronos.domain.money import AMOUNT_MAX
from chronos.mirror.entries import EVENT_TYPES
from chronos.stream.live.feed import Start
from chronos.wire.cursors import CURSOR_CHARACTERS_MAX
from chronos.wire.members import CURRENCY, ID
from web.live_ids import ID_CHARACTERS_MAX
from web.narrowing import (
    EXTERNAL_ID_CHARACTERS_MAX,
    METADATA_FILTERS_MAX,
    METADATA_KEY_CHARACTERS_MAX,
)
from web.paging import PAGE_ROWS, PAGE_ROWS_MAX
from web.parameters import TEXT_MAX, VALUE_MAX
from web.routes.route import Taken

VERSION_MAX: Final = AMOUNT_MAX
_NO_NUL: Final = "^[^\\x00]+$"


def _whole(low: int, high: int, **more: Any) -> dict[str, Any]:
    return {"type": "integer", "minimum": low, "maximum": high, **more}


def _text(characters_max: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": characters_max, "pattern": _NO_NUL}


def _words(words: list[str]) -> dict[str, Any]:
    return {"type": "string", "enum": sorted(words)}


_AN_ID: Final = {"type": "string", **ID}
_A_DAY: Final = {"type": "string", "format": "date"}
_A_MOMENT: Final = {"anyOf": [_A_DAY, {"type": "string", "format": "date-time"}]}

MIN_VERSION: Final = Taken(
    name="min_version",
    text="Wait a moment for this version, or refuse.",
    schema=_whole(0, VERSION_MAX),
)
LIMIT: Final = Taken(
    name="limit",
    text="Most items on a page.",
    schema=_whole(1, PAGE_ROWS_MAX, default=PAGE_ROWS),
)
CURSOR: Final = Taken(
    name="cursor",
    text="The `next` of the page before; only together with the same other parameters.",
    schema=_text(CURSOR_CHARACTERS_MAX),
)
PAGING: Final = (CURSOR, LIMIT)
EXTERNAL_ID: Final = Taken(
    name="external_id",
    text="What another system calls it.",
    schema=_text(EXTERNAL_ID_CHARACTERS_MAX),
)
METADATA: Final = Taken(
    name="metadata",
    text="Entries that its metadata have, as in metadata[colour]=red.",
    schema={
        "type": "object",
        "maxProperties": METADATA_FILTERS_MAX,
        "propertyNames": {"pattern": f"^[^\\[\\]\\x00]{{1,{METADATA_KEY_CHARACTERS_MAX}}}$"},
        "additionalProperties": {
            "type": "string",
            "maxLength": VALUE_MAX,
            "pattern": "^[^\\x00]*$",
        },
    },
    is_group=True,
)
WORDS: Final = Taken(
    name="q", text="Words to look for, the last one perhaps begun.", schema=_text(TEXT_MAX)
)
CURRENCY_CODE: Final = Taken(
    name="currency", text="ISO 4217.", schema={"type": "string", **CURRENCY}
)
NARROWING: Final = (
    Taken(name="from", text="First banking day or first instant.", schema=_A_MOMENT),
    Taken(
        name="to",
        text="Last banking day, or the first instant after the last.",
        schema=_A_MOMENT,
    ),
    Taken(name="value_from", text="First value date.", schema=_A_DAY),
    Taken(name="value_to", text="Last value date.", schema=_A_DAY),
    Taken(name="min_amount", text="Least amount, no sign.", schema=_whole(0, AMOUNT_MAX)),
    Taken(name="max_amount", text="Greatest amount, no sign.", schema=_whole(0, AMOUNT_MAX)),
    Taken(name="counterparty", text="The other side's account.", schema=_AN_ID),
    EXTERNAL_ID,
    METADATA,
    WORDS,
)
EVENT_TYPE: Final = Taken(
    name="type",
    text="Types of events; those that moved money when left out.",
    schema={
        "type": "array",
        "minItems": 1,
        "maxItems": len(EVENT_TYPES),
        "items": _words(list(EVENT_TYPES)),
    },
    is_listed=True,
)
TRANSFER_ID: Final = Taken(
    name="transfer_id", text="The postings of one transfer.", schema=_AN_ID
)
ACCOUNT: Final = Taken(name="account", text="Of this account alone.", schema=_AN_ID)
KIND: Final = Taken(
    name="kind",
    text="Whose money it shows.",
    schema=_words([kind.value for kind in AccountKind]),
)
STATUS: Final = Taken(
    name="status",
    text="What it may do.",
    schema=_words([status.label for status in AccountStatus]),
)
START: Final = Taken(
    name="from",
    text="Where to begin without an id.",
    schema=_words([start.value for start in Start]) | {"default": Start.END.value},
)
LAST_EVENT_ID: Final = Taken(
    name="last_event_id",
    text="The id of the last event that was seen, for who cannot set the header.",
    schema=_text(ID_CHARACTERS_MAX),
)
