"""Names of things: what a client may choose, and how each kind is told apart in types."""

from __future__ import annotations

import re
from typing import NewType

AccountId = NewType("AccountId", str)
TransferId = NewType("TransferId", str)
HoldId = NewType("HoldId", str)
EventId = NewType("EventId", str)

ID_LENGTH_MAX = 64
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}", re.ASCII)


def is_valid_id(text: str) -> bool:
    """Tells whether a text may name an account, transfer or hold: 1-64 of `A-Za-z0-9_.:-`.

    The first character is a letter or digit: no id looks like an option or a hidden file.
    """
    return _ID.fullmatch(text) is not None
