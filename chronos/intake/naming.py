"""Names rows so that the same file brought in twice changes nothing.

A row without a name of its own is named by what it says. Two rows that say the same are told
apart by their number: two equal purchases in one file are two. A row that says the same in
another file is the same row, unless the file is of another source.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec

from chronos.intake.files import UnusableFile

ALIKE_ROWS_MAX: Final = 1_000_000
ID_PREFIX: Final = "imp_"
KEY_PREFIX: Final = "import:"
_HASH_CHARACTERS: Final = 40
_COUNTED_BYTES: Final = 8

_canonical = msgspec.json.Encoder(order="sorted").encode


class Name(NamedTuple):
    """What a row is called."""

    key: str
    """Its idempotency key."""
    id: str
    """Of the transfer or entry, when the row does not name it."""


class Naming:
    """Names the rows of one file, in their order.

    Args:
        source: Where the file is from; rows of two sources are never the same.
    """

    def __init__(self, source: str = "") -> None:
        self._source = source
        self._seen: Counter[bytes] = Counter()

    def name(self, said: Mapping[str, Any], key: str | None) -> Name:
        """Names the next row.

        Args:
            said: What it says, its amounts in minor units.
            key: The name that it gives itself, if it does.

        Raises:
            UnusableFile: There are too many rows without a name to tell them apart.
        """
        if key is not None:
            return Name(key, ID_PREFIX + self._hash([key]))
        content = _canonical(said)
        number = 0 if "id" in said else self._number(content)
        digest = self._hash([said, number])
        return Name(KEY_PREFIX + digest, ID_PREFIX + digest)

    def _number(self, content: bytes) -> int:
        short = sha256(content).digest()[:_COUNTED_BYTES]
        self._seen[short] += 1
        if len(self._seen) > ALIKE_ROWS_MAX:
            raise UnusableFile(
                f"More than {ALIKE_ROWS_MAX} rows have neither a key nor an id: give them "
                "keys, or bring them in as several files of several sources."
            )
        return self._seen[short] - 1

    def _hash(self, parts: list[Any]) -> str:
        return sha256(_canonical([self._source, *parts])).hexdigest()[:_HASH_CHARACTERS]
