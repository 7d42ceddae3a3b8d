"""Headers of a Kafka record: CloudEvents 1.0 in binary mode, and how the outbox packs them.

Source: CloudEvents 1.0, Kafka protocol binding, section 3.2 (binary mode, `ce_` headers).
"""

from __future__ import annotations

import msgspec

from chronos.wire.codec import Recorded, format_instant

SOURCE = b"urn:chronos:ledger"

Headers = list[tuple[str, bytes]]

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
        ("traceparent", traceparent.encode()),
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
