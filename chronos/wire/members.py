"""How a shape tells its readers what a member means: in words, with its unit and its bounds.

What `says` adds goes into the JSON Schema alone. Nothing of it is checked when stored bytes are
read: what the journal holds was checked when it was written, and must stay readable for ever.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Meta

from chronos.domain.money import AMOUNT_MAX

SINCE: Final = "x-since"
"""Schema keyword: the schema version from which on a member is there."""

ID: Final = {"pattern": "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$"}
UUID: Final = {"format": "uuid"}
MOMENT: Final = {"format": "date-time"}
CURRENCY: Final = {"pattern": "^[A-Z]{3}$"}
BALANCE: Final = {"minimum": -AMOUNT_MAX, "maximum": AMOUNT_MAX}
FROM_ZERO: Final = {"minimum": 0, "maximum": AMOUNT_MAX}
POSITIVE: Final = {"minimum": 1, "maximum": AMOUNT_MAX}
NEGATIVE: Final = {"minimum": -AMOUNT_MAX, "maximum": -1}


def says(description: str, /, *, since: int | None = None, **schema: Any) -> Meta:
    """Describes a member.

    Args:
        description: What it means; for numbers the unit, for signed ones the sign.
        since: The schema version that added it; None: it was always there.
        schema: Further keywords of its JSON Schema.
    """
    if since is not None:
        schema[SINCE] = since
    return Meta(description=description, extra_json_schema=schema or None)
