"""What makes one attempt: the key that a client gives it, and the hash of what it means.

Both doors (HTTP and gRPC) name the same intention in the same way, so that a key which was used
at one of them is a retry at the other.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

KEY_LENGTH_MAX: Final = 255
_KEY = re.compile(r"[!-~]{1,255}", re.ASCII)
_canonical = msgspec.json.Encoder(order="sorted").encode


def is_usable_key(text: str) -> bool:
    """Tells whether a text may be an idempotency key: 1 to 255 visible ASCII characters."""
    return _KEY.fullmatch(text) is not None


def meaning_hash(
    *, method: str, route: str, params: Mapping[str, str], if_match: str, body: Any
) -> bytes:
    """Hashes what a request means; equal for a retry, whatever its key order and white space.

    Each part is followed by a zero byte, which none of them can hold: no two requests can be
    written the same way.

    Args:
        method: The HTTP method.
        route: The path's pattern.
        params: The parameters in the path.
        if_match: The version that the client demands, as the header has it; empty without one.
        body: The checked body.
    """
    path = "".join([f"{name}\0{value}\0" for name, value in sorted(params.items())])
    head = f"{method}\0{route}\0{path}{if_match}\0"
    return hashlib.sha256(head.encode("utf-8", "surrogateescape") + _canonical(body)).digest()
