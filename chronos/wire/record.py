"""What a Kafka record of an event says about itself by its key and headers alone."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

_VERSION_DIGITS_MAX = 16
_HASH_DIGITS = 64
_EVENT_ID_CHARACTERS = 36


class RecordHead(msgspec.Struct, frozen=True):
    """Which event a record carries: read before, and instead of, its bytes."""

    account_id: str
    version: int
    event_id: str
    digest: bytes
    """The event's hash, 32 bytes."""


def read_head(
    key: bytes | None, headers: Iterable[tuple[str, bytes]] | None
) -> RecordHead | None:
    """Reads the head of an event's record; None for a record that is not one of ours."""
    named = dict(headers or ())
    version = named.get("ce_version", b"")
    if not key or "ce_type" not in named:
        return None
    if not (version.isdigit() and len(version) <= _VERSION_DIGITS_MAX):
        return None
    try:
        event_id = named.get("ce_id", b"").decode("ascii")
        digest = bytes.fromhex(named.get("ce_hash", b"").decode("ascii"))
        account_id = key.decode("ascii")
    except ValueError:
        return None
    if len(event_id) != _EVENT_ID_CHARACTERS or len(digest) * 2 != _HASH_DIGITS:
        return None
    return RecordHead(account_id, int(version), event_id, digest)
