"""Commands to the owner of a shard of the outbox, as the topic `relay-control` carries them."""

from __future__ import annotations

from typing import Annotated

import msgspec

from chronos.wire.members import ID, says


class Republish(msgspec.Struct, frozen=True, tag="republish", tag_field="command"):
    """Asks to publish all events of an account again, from the journal."""

    account_id: Annotated[str, says("The account; its shard is the record's partition.", **ID)]


_decoder = msgspec.json.Decoder(Republish)


def decode_command(value: bytes) -> Republish:
    """Reads a command.

    Raises:
        msgspec.MsgspecError: The bytes are none.
    """
    return _decoder.decode(value)
