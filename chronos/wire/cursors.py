"""Cursors of a list: opaque to a client, bound to the list's filters, sealed against forgery.

A cursor is the sort value of a page's last row. Sealing it with the filters means that a cursor
of one list, moved to another, is refused instead of answering a page that looks right and is
not.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from hashlib import sha256

import msgspec

from chronos.errors import ChronosError

CURSOR_CHARACTERS_MAX = 512
_SEAL_BYTES = 16


class InvalidCursor(ChronosError):
    """Says that a cursor was not given out for this list with these filters."""


class Cursors:
    """Seals and opens the cursors of one list with one secret.

    Args:
        secret: Shared by every process that serves the list; a cursor outlives a restart.
        list_name: Keeps the cursors of two lists apart.
    """

    def __init__(self, secret: bytes, *, list_name: str) -> None:
        self._key = hmac.digest(secret, b"cursor:" + list_name.encode(), sha256)

    def seal(self, after: int | str, filters: Mapping[str, str]) -> str:
        """Gives the cursor of the page that starts behind `after`."""
        place = msgspec.json.encode(after)
        return base64.urlsafe_b64encode(self._seal(place, filters) + place).decode().rstrip("=")

    def open(self, cursor: str, filters: Mapping[str, str]) -> int | str:
        """Gives the sort value that the cursor stands behind.

        Raises:
            InvalidCursor: It is malformed, forged, or belongs to other filters.
        """
        if len(cursor) > CURSOR_CHARACTERS_MAX or not cursor.isascii():
            raise InvalidCursor("The cursor is not one that this list gave out.")
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidCursor("The cursor is not one that this list gave out.") from error
        seal, place = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
        if not hmac.compare_digest(seal, self._seal(place, filters)):
            raise InvalidCursor("The cursor belongs to another list or to other filters.")
        after: int | str = msgspec.json.decode(place, type=int | str)
        return after

    def _seal(self, place: bytes, filters: Mapping[str, str]) -> bytes:
        meaning = msgspec.json.encode(sorted(filters.items()))
        return hmac.digest(self._key, meaning + b"\0" + place, sha256)[:_SEAL_BYTES]
