"""What an event's bytes say an entry is; the index's mapping judges the rest of them."""

from __future__ import annotations

from datetime import datetime

import msgspec

from chronos.mirror.entries import Entry
from chronos.wire.record import RecordHead


class _Name(msgspec.Struct):
    """The part of an event that says which one it is."""

    account_id: str
    version: int
    event_id: str
    recorded_at: datetime


_decoder = msgspec.json.Decoder(_Name)


def entry_of_record(head: RecordHead, body: bytes, digest: bytes) -> Entry:
    """Makes the entry that a record's head names.

    Raises:
        ValueError: The bytes are not that event.
    """
    entry = _entry(body, digest)
    found = (entry.account_id, entry.version, entry.event_id)
    if found != (head.account_id, head.version, head.event_id):
        raise ValueError(f"it is version {entry.version} of account {entry.account_id}")
    return entry


def entry_of_account(account_id: str, body: bytes, digest: bytes) -> Entry:
    """Makes the entry of an event that the journal has for an account.

    Raises:
        ValueError: The bytes are no event of it.
    """
    entry = _entry(body, digest)
    if entry.account_id != account_id:
        raise ValueError(f"it is version {entry.version} of account {entry.account_id}")
    return entry


def _entry(body: bytes, digest: bytes) -> Entry:
    try:
        name = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    return Entry(
        event_id=name.event_id,
        account_id=name.account_id,
        version=name.version,
        recorded_at=name.recorded_at,
        body=body,
        digest=digest,
    )
