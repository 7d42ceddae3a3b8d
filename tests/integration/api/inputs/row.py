"""One bad request, and a good body for every command to spoil."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

TODAY = datetime.now(UTC).date()
COMMAND_LIMIT = 64 * 1024
BULK_LIMIT = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One bad request and its answer."""

    number: int
    """Of its subject in `subjects.py`."""
    name: str
    status: int
    code: str
    path: str = "/v1/transfers"
    method: str = "POST"
    body: bytes | None = None
    headers: dict[str, str | None] = field(default_factory=dict)
    stored: bool = False
    """Whether the refusal is the core's, and kept under the key."""
    published: bool = False
    """Whether the refusal concerns an account of the bank, and so goes to its topic."""
    answer_headers: tuple[str, ...] = ()
    pointer: str | None = None
    """Where the first of the answer's `errors` is; None: whatever."""
    inner_code: str | None = None
    """The code of the first of the answer's `errors`; None: whatever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """A good request for one command; whoever spoils it gets a refusal for that alone."""

    path: str
    """With an id that the world of these tests has."""
    fields: dict[str, Any]

    @property
    def name(self) -> str:
        return self.path.removeprefix("/v1/")

    def body(self, **fields: Any) -> bytes:
        return json.dumps({**self.fields, **fields}).encode()

    def literal(self, name: str, text: bytes) -> bytes:
        """Gives the body with a literal that Python would not write."""
        return self.body(**{name: 777777}).replace(b"777777", text)


SPECIMENS = {
    "/v1/accounts": Specimen(path="/v1/accounts", fields={"currency": "EUR"}),
    "/v1/transfers": Specimen(
        path="/v1/transfers",
        fields={"from": "alice", "to": "bob", "amount": 1, "currency": "EUR"},
    ),
    "/v1/entries": Specimen(
        path="/v1/entries",
        fields={
            "currency": "EUR",
            "postings": [
                {"account": "alice", "amount": -1},
                {"account": "bob", "amount": 1},
            ],
        },
    ),
    "/v1/exchanges": Specimen(
        path="/v1/exchanges",
        fields={"from": "alice", "to": "yen", "sell_amount": 1, "buy_amount": 160},
    ),
    "/v1/transfers/{id}/reverse": Specimen(path="/v1/transfers/t-plain/reverse", fields={}),
    "/v1/holds": Specimen(
        path="/v1/holds", fields={"account": "alice", "amount": 1, "currency": "EUR"}
    ),
    "/v1/holds/{id}/capture": Specimen(path="/v1/holds/h-open/capture", fields={"to": "bob"}),
    "/v1/holds/{id}/void": Specimen(path="/v1/holds/h-open/void", fields={}),
    "/v1/accounts/{id}/freeze": Specimen(path="/v1/accounts/alice/freeze", fields={}),
    "/v1/accounts/{id}/unfreeze": Specimen(path="/v1/accounts/ice/unfreeze", fields={}),
    "/v1/accounts/{id}/close": Specimen(path="/v1/accounts/empty/close", fields={}),
    "/v1/accounts/{id}/overdraft-limit": Specimen(
        path="/v1/accounts/alice/overdraft-limit", fields={"overdraft_limit": 5}
    ),
    "/v1/accounts/{id}/metadata": Specimen(
        path="/v1/accounts/alice/metadata", fields={"metadata": {"colour": "red"}}
    ),
    "/v1/batches": Specimen(
        path="/v1/batches",
        fields={
            "commands": [
                {
                    "type": "transfer",
                    "from": "alice",
                    "to": "bob",
                    "amount": 1,
                    "currency": "EUR",
                }
            ]
        },
    ),
}
"""By the path of the route; the test of the table asks for one for every command."""

TRANSFER = SPECIMENS["/v1/transfers"]


def plain(**fields: Any) -> bytes:
    """Gives the body of a good transfer, spoilt."""
    return TRANSFER.body(**fields)


def literal(amount: bytes) -> bytes:
    """Gives the body of a transfer whose amount is a literal that Python would not write."""
    return TRANSFER.literal("amount", amount)


def for_every_command(
    number: int,
    name: str,
    status: int,
    code: str,
    *,
    body: bytes | None = None,
    **others: Any,
) -> Iterator[Row]:
    """Gives one row for each command; its good body when none is given."""
    for specimen in SPECIMENS.values():
        yield Row(
            number=number,
            name=f"{name}, {specimen.name}",
            status=status,
            code=code,
            path=specimen.path,
            body=specimen.body() if body is None else body,
            **others,
        )
