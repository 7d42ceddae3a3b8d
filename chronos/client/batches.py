"""Batches: many commands in one request, decided in their order in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Unpack

import msgspec

from chronos.client.answers import Problem, Touched
from chronos.client.calls import Calls, decoded
from chronos.client.options import Sent
from chronos.client.receipts import (
    BatchResult,
    Booked,
    Changed,
    Ended,
    Executed,
    Granted,
    Opened,
    Placed,
    Transferred,
)
from chronos.client.refusals import UnreadableAnswer
from chronos.wire.batch import Item

Command = Item | Mapping[str, Any]
"""One command of a batch: an item of `chronos.wire.batch`, or its JSON object."""

_RECEIPTS: Final[Mapping[str, type[Granted]]] = {
    "open_account": Opened,
    "transfer": Transferred,
    "entries": Booked,
    "exchange": Booked,
    "reverse": Booked,
    "hold": Placed,
    "capture": Ended,
    "void": Ended,
}


class _Result(msgspec.Struct, frozen=True, kw_only=True):
    status: int
    replayed: bool
    location: str | None
    body: msgspec.Raw


class _Executed(msgspec.Struct, frozen=True, kw_only=True):
    atomic: bool
    results: tuple[_Result, ...]
    position: int
    accounts: dict[str, Touched]


class Batches:
    """Calls that send batches."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def run(
        self, commands: Sequence[Command], *, atomic: bool = False, **options: Unpack[Sent]
    ) -> Executed:
        """Executes commands in their order, in one transaction.

        A refusal of one is its result, and the others go on; unless the batch is atomic.

        Args:
            commands: 1 to 1000, each with an idempotency key of its own or without one.
            atomic: All are granted, or nothing happens.
            options: How the batch is sent.

        Raises:
            Refused: Of an atomic batch one command was refused: `batch_rejected`, with its
                place and its refusal in the problem. Of any: it cannot be read.
        """
        body = {"commands": list(commands), "atomic": atomic}
        answer, url = await self._calls.post("/v1/batches", body, options)
        raw = decoded(answer.body, _Executed, url)
        if len(raw.results) != len(commands):
            raise UnreadableAnswer(
                f"{url} answers {len(raw.results)} results to {len(commands)} commands."
            )
        executed = Executed(
            atomic=raw.atomic,
            results=tuple(
                _result(one, _type_of(command), url)
                for one, command in zip(raw.results, commands, strict=True)
            ),
            position=raw.position,
            accounts=raw.accounts,
            replayed=answer.replayed,
        )
        self._calls.remember(executed, options)
        return executed


def _type_of(command: Command) -> str:
    if isinstance(command, Mapping):
        return str(command.get("type"))
    return str(type(command).__struct_config__.tag)


def _result(raw: _Result, command_type: str, url: str) -> BatchResult:
    is_refused = raw.status >= 400
    into = _RECEIPTS.get(command_type, Changed)
    return BatchResult(
        status=raw.status,
        replayed=raw.replayed,
        location=raw.location,
        receipt=None if is_refused else decoded(raw.body, into, url),
        refusal=decoded(raw.body, Problem, url) if is_refused else None,
    )
