"""The ids of the live stream: places, opaque to a client, bound to their stream, sealed.

An id is base64url without padding of a seal and, as varints, the number of partitions, the
offset in each partition of the stream (one for an account's stream), and for an account the
newest version sent. The seal covers topic and selection too: an id of one account's stream is
refused by another's, an id of another instance by this one.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable
from hashlib import sha256

from chronos.errors import ChronosError
from chronos.stream.live.events import Place

ID_CHARACTERS_MAX = 8_000
_SEAL_BYTES = 12


class InvalidId(ChronosError):
    """Says that an id was not given out for this stream."""


class LiveIds:
    """Seals and opens the ids of all streams of one topic.

    Args:
        secret: Shared by every worker; an id goes on at any of them, and after a restart.
        topic: The topic's name.
        partitions: How many partitions it has.
    """

    def __init__(self, secret: bytes, topic: str, *, partitions: int):
        self._key = hmac.digest(secret, b"live:" + topic.encode(), sha256)
        self._partitions = partitions

    def seal(self, account_id: str | None, place: Place) -> bytes:
        """Gives the id of a place in the stream of one account, or of all."""
        numbers = (self._partitions, *place.offsets)
        body = _varints(numbers if account_id is None else (*numbers, place.version))
        return base64.urlsafe_b64encode(self._seal(account_id, body) + body).rstrip(b"=")

    def open(self, account_id: str | None, text: str) -> Place:
        """Gives the place of an id of this stream.

        Raises:
            InvalidId: It is malformed, forged, or of another stream or number of partitions.
        """
        raw = _unpacked(text)
        seal, body = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
        if not hmac.compare_digest(seal, self._seal(account_id, body)):
            raise InvalidId("The id belongs to another stream, or to none.")
        partitions, *numbers = _numbers(body)
        if partitions != self._partitions:
            raise InvalidId("The id is of a topic with another number of partitions.")
        if account_id is None:
            return Place(tuple(numbers), version=0)
        return Place(tuple(numbers[:-1]), version=numbers[-1])

    def _seal(self, account_id: str | None, body: bytes) -> bytes:
        # No account id begins with a star.
        stream = b"*" if account_id is None else account_id.encode()
        return hmac.digest(self._key, stream + b"\0" + body, sha256)[:_SEAL_BYTES]


def _unpacked(text: str) -> bytes:
    if not (0 < len(text) <= ID_CHARACTERS_MAX and text.isascii()):
        raise InvalidId("The id is not one that a stream gave out.")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidId("The id is not one that a stream gave out.") from error
    if base64.urlsafe_b64encode(raw).decode().rstrip("=") != text:
        raise InvalidId("The id is not one that a stream gave out.")
    return raw


def _varints(numbers: Iterable[int]) -> bytes:
    written = bytearray()
    for number in numbers:
        rest = number
        while rest > 0x7F:
            written.append(rest & 0x7F | 0x80)
            rest >>= 7
        written.append(rest)
    return bytes(written)


def _numbers(body: bytes) -> list[int]:
    # The seal fits: these bytes were written by `_varints`.
    numbers, number, shift = [], 0, 0
    for byte in body:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(number)
            number, shift = 0, 0
    return numbers
