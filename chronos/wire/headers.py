"""Headers of a Kafka record: CloudEvents 1.0 in binary mode, and how the outbox packs them.

Source: CloudEvents 1.0, Kafka protocol binding, section 3.2 (binary mode, `ce_` headers).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chronos.wire.codec import Recorded, format_instant

SOURCE = b"urn:chronos:ledger"

Headers = list[tuple[str, bytes]]

TRACEPARENT = "traceparent"
_TRACEPARENT_BYTES = 55
# As the packed form ends: the name of the last header, a mark with a length, the value.
_PACKED_NAME = slice(-68, -57)
_SAMPLED = frozenset(b"13579bdf")

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[tuple[str, bytes]])


def event_headers(recorded: Recorded, digest: bytes, traceparent: str) -> Headers:
    """Gives the headers of an event's record, values as UTF-8 text.

    Args:
        recorded: The event.
        digest: Its hash in the account's chain, 32 bytes; written in hexadecimal.
        traceparent: W3C trace context of the request that led to it.
    """
    event = recorded.event
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", recorded.event_id.encode()),
        ("ce_type", type(event).__name__.encode()),
        ("ce_source", SOURCE),
        ("ce_subject", event.account_id.encode()),
        ("ce_time", format_instant(recorded.recorded_at).encode()),
        ("ce_version", b"%d" % event.version),
        ("ce_hash", digest.hex().encode()),
        ("content-type", b"application/json"),
        (TRACEPARENT, traceparent.encode()),
    ]


def encode_headers(headers: Headers) -> bytes:
    """Packs headers for the outbox (MessagePack array of pairs: text, binary)."""
    return _encoder.encode(headers)


def decode_headers(packed: bytes) -> Headers:
    """Unpacks the headers of an outbox row.

    Raises:
        msgspec.MsgspecError: The bytes are not packed headers.
    """
    return _decoder.decode(packed)


def sampled_in(headers: Sequence[tuple[str, bytes]]) -> str:
    """Gives the traceparent of a record that says it is sampled; empty for any other.

    It is looked for where Chronos writes it, at the end.
    """
    name, value = headers[-1] if headers else ("", b"")
    # A foreign writer may give a name without a value.
    if name != TRACEPARENT or not value or value[-1] not in _SAMPLED:
        return ""
    return value.decode("ascii", "replace")


def sampled_in_packed(packed: bytes) -> str:
    """Gives the traceparent of packed headers that say they are sampled; empty for others."""
    if not packed or packed[-1] not in _SAMPLED or packed[_PACKED_NAME] != b"traceparent":
        return ""
    return packed[-_TRACEPARENT_BYTES:].decode("ascii", "replace")
