"""Examples of bodies and answers, made from their schemas: each fits its schema."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from chronos.api.docs.fitting import fits
from chronos.api.docs.shapes import Schema, resolved

_DEPTH_MAX: Final = 6
_OPTIONAL_SHOWN: Final = frozenset({"description"})
_SELDOM_SENT: Final = frozenset({"expected_versions"})
_LINES: Final = ({"account": "alice", "amount": -12500}, {"account": "bob", "amount": 12500})
_BATCH: Final = [
    {"type": "transfer", "from": "alice", "to": "bob", "amount": 12500, "currency": "EUR"},
    {"type": "transfer", "from": "alice", "to": "carol", "amount": 9900, "currency": "EUR"},
]
_SAMPLES: Final[dict[str, tuple[Any, ...]]] = {
    "account": ("alice",),
    "account_id": ("alice",),
    "accounts": ({"alice": {"version": 7, "booked": 125000, "held": 0, "available": 125000}},),
    "amount": (12500,),
    "as_of": ("2026-03-02T12:00:00.123456Z",),
    "at": ("2026-03-02T12:00:00.123456Z",),
    "available": (125000,),
    "booked": (125000,),
    "buy_amount": (13500,),
    "code": ("EUR",),
    "commands": (_BATCH,),
    "credit": (125000,),
    "currency": ("EUR",),
    "debit": (125000,),
    "description": ("Rent for March",),
    "expires_at": ("2026-03-09T12:00:00Z",),
    "exponent": (2,),
    "external_id": ("INV-2026-031",),
    "from": ("alice",),
    "hash": ("5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",),
    "held": (0,),
    "kind": ("customer",),
    "limit": (50000,),
    "metadata": ({"contract": "2026-031"},),
    "name": ("Euro",),
    "number": ("978",),
    "opened_at": ("2026-03-02T12:00:00.123456Z",),
    "overdraft_limit": (50000,),
    "position": (42,),
    "postings": ([*_LINES], [{**line, "currency": "EUR"} for line in _LINES]),
    "recorded_at": ("2026-03-02T12:00:00.123456Z",),
    "reverses": (None,),
    "sell_amount": (12500,),
    "source": ("journal",),
    "type": ("MoneyDeposited",),
    "value_date": ("2026-03-02",),
    "version": (7,),
}


class Samples:
    """Makes examples of the shapes of one document."""

    def __init__(self, shapes: Mapping[str, Schema]):
        """Takes the shapes by name."""
        self.shapes = shapes

    def body(self, schema: Schema) -> Any:
        """Makes a body: what is required, and what most people would add.

        A shape that asks for one member or none is shown whole, but for what is seldom sent.
        """
        shape = resolved(schema, self.shapes)
        members: Mapping[str, Schema] = shape.get("properties", {})
        required = shape.get("required", ())
        shown = [name for name in members if name in required or name in _OPTIONAL_SHOWN]
        if len(required) < 2:
            shown = [name for name in members if name not in _SELDOM_SENT]
        return {name: self.member(name, members[name], of=_title(shape)) for name in shown}

    def answer(self, schema: Schema) -> Any:
        """Makes an answer, with every member."""
        return self._value(schema, depth=0)

    def member(self, name: str, schema: Schema, *, of: str = "", depth: int = 0) -> Any:
        """Makes the value of one member or parameter of a shape or path."""
        known = [_OF_SUBJECT[name](of)] if name in _OF_SUBJECT else _SAMPLES.get(name, ())
        for sample in known:
            if fits(schema, sample, self.shapes):
                return sample
        return self._value(schema, depth=depth + 1)

    def _value(self, schema: Schema, *, depth: int) -> Any:
        schema = resolved(schema, self.shapes)
        for one in (schema.get("const"), schema.get("default"), *schema.get("enum", ())):
            if one is not None:
                return one
        kinds = schema.get("anyOf") or schema.get("oneOf")
        if kinds:
            return self._value(kinds[0], depth=depth)
        return self._made(schema, depth=depth)

    def _made(self, schema: Schema, *, depth: int) -> Any:
        made: Any = {"integer": schema.get("minimum", 1), "boolean": True}
        match schema.get("type"):
            case "object":
                made = self._object(schema, depth=depth)
            case "array":
                made = self._list(schema, depth=depth)
            case "string":
                made = next(filter(partial(fits, schema, shapes=self.shapes), _TEXTS), "text")
            case known:
                made = made.get(known)
        return made

    def _list(self, schema: Schema, *, depth: int) -> Any:
        if depth >= _DEPTH_MAX:
            return []
        item = self._value(schema.get("items", {}), depth=depth + 1)
        return [item] * max(1, schema.get("minItems", 1))

    def _object(self, schema: Schema, *, depth: int) -> Any:
        if depth >= _DEPTH_MAX:
            return {}
        members: Mapping[str, Schema] = schema.get("properties", {})
        made = {
            name: self.member(name, shape, of=_title(schema), depth=depth)
            for name, shape in members.items()
        }
        values = schema.get("additionalProperties")
        if isinstance(values, Mapping) and values and not made:
            made["EUR"] = self._value(values, depth=depth + 1)
        return made


def sample_id(subject: str) -> str:
    """Gives an id as it may stand in a path or shape of this name."""
    lower = subject.lower()
    if "hold" in lower:
        return "hld_01kjqyz9x6b5t" if "void" in lower else "hld_01kjqyz2m4e8w"
    if any(word in lower for word in ("transfer", "entr", "exchange", "reversal")):
        return "trf_01kjqyx7t9c3v"
    return "alice"


def _title(shape: Schema) -> str:
    return str(shape.get("title", ""))


def sample_status(subject: str) -> str:
    """Gives the status of what has this name."""
    words = {"transfer": "booked", "health": "ok"}
    lower = subject.lower()
    return next((status for word, status in words.items() if word in lower), "open")


def sample_payee(subject: str) -> str:
    """Gives the account that is paid: an exchange pays one in another currency."""
    return "alice-usd" if "exchange" in subject.lower() else "bob"


def sample_transfer_id(subject: str) -> str:
    """Gives the id of a transfer that the subject makes, or shows."""
    return "trf_01kjqz8r5d2m7" if "reverse" in subject.lower() else "trf_01kjqzb3k7n1p"


_OF_SUBJECT: Final = {
    "id": sample_id,
    "status": sample_status,
    "to": sample_payee,
    "transfer_id": sample_transfer_id,
}
_TEXTS: Final = ("text", "2026-03-02", "2026-03-02T12:00:00Z", "EUR", "a1")
