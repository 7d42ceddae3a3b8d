"""What the live stream carries: events, the places between them, a memory of what was sent."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from chronos.stream.topic_reader import TopicRecord
from chronos.wire.codec import with_hash
from chronos.wire.record import read_head
from chronos.wire.topics import partition_of

_TYPE = re.compile(r"[A-Z][A-Za-z]{0,63}", re.ASCII)
_LINE_ENDS = (b"\n", b"\r")


class LiveEvent(NamedTuple):
    """One event, where it lies in Kafka, and its JSON with its hash in one line."""

    partition: int
    offset: int
    account_id: str
    version: int
    type: str
    data: bytes


class Place(NamedTuple):
    """A place in a stream: everything before it was sent, nothing behind it."""

    offsets: tuple[int, ...]
    """Offset of the next record in each partition of the stream, in the order of partitions."""
    version: int
    """Newest version sent of the stream's one account; 0 when none, or for all accounts."""


class _Named(msgspec.Struct):
    account_id: str
    version: int
    type: str


_decoder = msgspec.json.Decoder(_Named)


def read_event(record: TopicRecord, partitions: int) -> LiveEvent | None:
    """Reads the event of a record; None for a record that is foreign or damaged.

    A line end in the bytes, or a type that is no name, would let a record say something else
    to a reader of the stream than it is. What is damaged is reported, and read again from
    PostgreSQL, by the agents.
    """
    head = read_head(record.key, record.headers)
    name = record.header("ce_type") or ""
    body = record.value or b""
    if head is None or not _is_plain(name, body):
        return None
    is_at_home = partition_of(head.account_id.encode(), partitions) == record.partition
    told = _Named(account_id=head.account_id, version=head.version, type=name)
    if not is_at_home or _named(body) != told:
        return None
    return LiveEvent(
        partition=record.partition,
        offset=record.offset,
        account_id=head.account_id,
        version=head.version,
        type=name,
        data=with_hash(body, head.digest),
    )


def _is_plain(name: str, body: bytes) -> bool:
    if _TYPE.fullmatch(name) is None or not body.endswith(b"}"):
        return False
    return not any(end in body for end in _LINE_ENDS)


def _named(body: bytes) -> _Named | None:
    try:
        # By way of text, because members that are passed over are not checked to be UTF-8.
        return _decoder.decode(body.decode())
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


class Versions:
    """Remembers the newest version of the accounts seen lately: the relay may publish twice.

    Args:
        accounts_max: Accounts that are remembered; the one seen longest ago is forgotten first.
    """

    def __init__(self, accounts_max: int):
        self._accounts_max = accounts_max
        self._newest: dict[str, int] = {}

    def remember(self, account_id: str, version: int) -> int:
        """Remembers a version that was seen; gives the newest one seen before, or 0."""
        known = self._newest.pop(account_id, 0)
        self._newest[account_id] = max(known, version)
        if len(self._newest) > self._accounts_max:
            del self._newest[next(iter(self._newest))]
        return known

    def is_new(self, event: LiveEvent) -> bool:
        """Tells whether an event goes beyond what was seen of its account, and remembers it."""
        return event.version > self.remember(event.account_id, event.version)
