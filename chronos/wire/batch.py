"""The shape of a batch: a list of commands, each named by its type.

An item has the fields of its command's own body, `id` for what that command names in its path,
and perhaps an idempotency key of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, get_args

from msgspec import Meta

from chronos.domain.commands import Command
from chronos.wire.bodies import (
    Body,
    EntriesBody,
    ExchangeBody,
    OpenAccountBody,
    ReverseBody,
    TransferBody,
)
from chronos.wire.hold_bodies import CaptureBody, HoldBody, VoidBody
from chronos.wire.problems import InputError
from chronos.wire.terms import Asked, FreshId, Id, Key, Version
from chronos.wire.verb_bodies import (
    CloseBody,
    FreezeBody,
    MetadataBody,
    OverdraftLimitBody,
    UnfreezeBody,
)

COMMANDS_MAX = 1000


# A struct has one base, so each item says itself what all items say.


class OpenAccountItem(
    OpenAccountBody, frozen=True, kw_only=True, tag_field="type", tag="open_account"
):
    """Opens an account."""

    idempotency_key: Key | None = None


class TransferItem(TransferBody, frozen=True, kw_only=True, tag_field="type", tag="transfer"):
    """Makes a transfer."""

    idempotency_key: Key | None = None


class EntriesItem(EntriesBody, frozen=True, kw_only=True, tag_field="type", tag="entries"):
    """Books postings."""

    idempotency_key: Key | None = None


class ExchangeItem(ExchangeBody, frozen=True, kw_only=True, tag_field="type", tag="exchange"):
    """Exchanges currencies."""

    idempotency_key: Key | None = None


class HoldItem(HoldBody, frozen=True, kw_only=True, tag_field="type", tag="hold"):
    """Places a hold."""

    idempotency_key: Key | None = None


class ReverseItem(ReverseBody, frozen=True, kw_only=True, tag_field="type", tag="reverse"):
    """Reverses the transfer `id`."""

    id: Id
    idempotency_key: Key | None = None


class CaptureItem(CaptureBody, frozen=True, kw_only=True, tag_field="type", tag="capture"):
    """Captures the hold `id`."""

    id: Id
    idempotency_key: Key | None = None


class VoidItem(VoidBody, frozen=True, kw_only=True, tag_field="type", tag="void"):
    """Voids the hold `id`."""

    id: Id
    idempotency_key: Key | None = None


class FreezeItem(FreezeBody, frozen=True, kw_only=True, tag_field="type", tag="freeze"):
    """Freezes the account `id`."""

    id: Id
    idempotency_key: Key | None = None
    expected_version: Version | None = None


class UnfreezeItem(UnfreezeBody, frozen=True, kw_only=True, tag_field="type", tag="unfreeze"):
    """Unfreezes the account `id`."""

    id: Id
    idempotency_key: Key | None = None
    expected_version: Version | None = None


class CloseItem(CloseBody, frozen=True, kw_only=True, tag_field="type", tag="close"):
    """Closes the account `id`."""

    id: Id
    idempotency_key: Key | None = None
    expected_version: Version | None = None


class SetOverdraftLimitItem(
    OverdraftLimitBody, frozen=True, kw_only=True, tag_field="type", tag="set_overdraft_limit"
):
    """Sets the overdraft limit of the account `id`."""

    id: Id
    idempotency_key: Key | None = None
    expected_version: Version | None = None


class AnnotateItem(MetadataBody, frozen=True, kw_only=True, tag_field="type", tag="annotate"):
    """Replaces the metadata of the account `id`."""

    id: Id
    idempotency_key: Key | None = None
    expected_version: Version | None = None


Item = (
    OpenAccountItem
    | TransferItem
    | EntriesItem
    | ExchangeItem
    | ReverseItem
    | HoldItem
    | CaptureItem
    | VoidItem
    | FreezeItem
    | UnfreezeItem
    | CloseItem
    | SetOverdraftLimitItem
    | AnnotateItem
)
Items = Annotated[
    tuple[Item, ...],
    Meta(min_length=1, max_length=COMMANDS_MAX, description="Decided in this order."),
]


ITEM_SHAPES: Mapping[str, type[Item]] = {
    str(shape.__struct_config__.tag): shape for shape in get_args(Item)
}
"""The shape of an item, by its type."""

_About = ReverseItem | CaptureItem | VoidItem
_Verb = FreezeItem | UnfreezeItem | CloseItem | SetOverdraftLimitItem | AnnotateItem


def command_of(item: Item, fresh_id: FreshId) -> Command:
    """Gives the command that an item asks for."""
    if isinstance(item, _About):
        return item.command(Asked(fresh_id=fresh_id, subject=item.id))
    if isinstance(item, _Verb):
        asked = Asked(
            fresh_id=fresh_id, subject=item.id, expected_version=item.expected_version
        )
        return item.command(asked)
    return item.command(Asked(fresh_id=fresh_id))


class BatchBody(Body, frozen=True, kw_only=True):
    """The body of `POST /v1/batches`."""

    commands: Items
    atomic: bool = False
    """True: all commands are granted, or nothing happens."""

    def rule_errors(self) -> list[InputError]:
        """Names what no type can say of any item, each under its place."""
        return [
            InputError(
                pointer=f"/commands/{number}{error.pointer}",
                code=error.code,
                detail=error.detail,
            )
            for number, item in enumerate(self.commands)
            for error in item.rule_errors()
        ]
