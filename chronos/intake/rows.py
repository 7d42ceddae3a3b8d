"""From what a row says to the command that it asks for, with its amounts and its names.

A row is an account, an opening balance, a transfer or an entry. An amount that is a whole
number is in minor units; one that is a text is a decimal of its currency. Everything is held
against the shapes of the API before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from chronos.domain.currency import EXPONENTS, parse_amount
from chronos.intake.files import Said, Unreadable
from chronos.intake.naming import Naming
from chronos.wire.batch import ITEM_SHAPES, EntriesItem, OpenAccountItem, TransferItem
from chronos.wire.fields import in_short, shape_errors, texts_in
from chronos.wire.meaning import KEY_LENGTH_MAX, is_usable_key

Command = OpenAccountItem | TransferItem | EntriesItem
_COMMANDS: Final = {
    "account": "open_account",
    "balance": "transfer",
    "transfer": "transfer",
    "entry": "entries",
}
TYPES: Final = tuple(_COMMANDS)
_DESCRIPTION: Final = "Opening balance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row that can be sent."""

    line: int
    type: str
    key: str
    command: Command

    @property
    def currency(self) -> str:
        """Of its amounts."""
        return self.command.currency

    @property
    def effects(self) -> dict[str, int]:
        """Its accounts, and by how much each booked balance changes."""
        match self.command:
            case OpenAccountItem():
                return {str(self.command.id): 0}
            case TransferItem():
                amount = self.command.amount
                return {self.command.source: -amount, self.command.destination: amount}
            case EntriesItem():
                return {one.account: one.amount for one in self.command.postings}


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """A row that asks for nothing: an opening balance of zero."""

    line: int
    type: str = "balance"


class Refusal(Exception):
    """Says why a row is not understood; it leaves this module as a value."""

    def __init__(self, code: str, detail: str):
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How rows are read.

    Attributes:
        naming: Names the rows that have no name.
        against: Gives the account on the other side of opening balances in a currency.
    """

    naming: Naming
    against: Callable[[str], str] = field(default=lambda currency: f"opening.{currency}")

    def row(self, said: Said) -> Row | Nothing | Unreadable:
        """Gives what a row asks for, or why that cannot be said."""
        try:
            return self._row(said)
        except Refusal as refusal:
            return Unreadable(line=said.line, code=refusal.code, detail=refusal.detail)

    def _row(self, said: Said) -> Row | Nothing:
        value = dict(said.value)
        _check_texts(value)
        row_type = value.get("type")
        if not isinstance(row_type, str) or row_type not in _COMMANDS:
            raise Refusal(
                "schema_violation", f"The type of a row is one of {', '.join(TYPES)}."
            )
        key = _key(value)
        if row_type == "account" and "id" not in value:
            raise Refusal("id_invalid", "The account has no id.")
        _to_minor_units(value, row_type)
        amount = value.get("amount")
        if row_type == "balance" and type(amount) is int and amount == 0:
            return Nothing(line=said.line)
        name = self.naming.name(value, key)
        body = {k: v for k, v in value.items() if k != "type"}
        if row_type == "balance":
            body = self._opening(body)
        body.setdefault("id", name.id)
        command = _command(_COMMANDS[row_type], body)
        return Row(line=said.line, type=row_type, key=name.key, command=command)

    def _opening(self, body: dict[str, Any]) -> dict[str, Any]:
        """Gives the transfer that brings an opening balance; a debit goes the other way."""
        if strange := {"from", "to", "postings"} & set(body):
            raise Refusal("schema_violation", f"An opening balance takes no {min(strange)}.")
        if "account" not in body:
            raise Refusal("id_invalid", "The opening balance names no account.")
        account, amount = body.pop("account"), body.get("amount")
        other = self.against(body["currency"])
        transfer = {"description": _DESCRIPTION, **body, "from": other, "to": account}
        if isinstance(amount, int) and amount < 0:
            transfer |= {"from": account, "to": other, "amount": -amount}
        return transfer


def _command(command_type: str, body: dict[str, Any]) -> Command:
    shape = ITEM_SHAPES[command_type]
    errors = shape_errors(body, shape)
    if not errors:
        command = msgspec.convert({"type": command_type, **body}, shape)
        errors = command.rule_errors()
        if not errors and isinstance(command, Command):
            return command
    code, detail = in_short(errors)
    place = errors[0].pointer.removeprefix("/").replace("/", ".")
    raise Refusal(code, f"{place}: {detail}" if place else detail)


def _key(value: dict[str, Any]) -> str | None:
    if "idempotency_key" in value:
        raise Refusal("schema_violation", "A row's own name is its `key`.")
    key = value.pop("key", None)
    if key is None or (isinstance(key, str) and is_usable_key(key)):
        return key
    raise Refusal(
        "idempotency_key_invalid",
        f"A key is 1 to {KEY_LENGTH_MAX} visible ASCII characters, no spaces.",
    )


def _check_texts(value: dict[str, Any]) -> None:
    for text in texts_in(value):
        if not _is_unicode(text):
            raise Refusal("invalid_encoding", "A text of the row is not UTF-8.")
        if "\x00" in text:
            raise Refusal("invalid_characters", "A text of the row holds a NUL character.")


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _to_minor_units(value: dict[str, Any], row_type: str) -> None:
    currency = value.get("currency")
    if not isinstance(currency, str) or currency not in EXPONENTS:
        raise Refusal("currency_invalid", "The row needs a currency of ISO 4217, such as EUR.")
    for name in ("amount", "overdraft_limit"):
        if name in value:
            value[name] = _minor(name, value[name], currency)
    postings = value.get("postings")
    if row_type == "entry" and isinstance(postings, list):
        value["postings"] = [_posting(posting, currency) for posting in postings]


def _posting(posting: Any, currency: str) -> Any:
    if not isinstance(posting, dict) or "amount" not in posting:
        return posting
    return posting | {"amount": _minor("amount", posting["amount"], currency)}


def _minor(name: str, value: Any, currency: str) -> Any:
    if not isinstance(value, str):
        return value
    is_signed = value.startswith(("+", "-"))
    try:
        amount = parse_amount(value[1:] if is_signed else value, currency)
    except ValueError as error:
        raise Refusal("amount_invalid", f"{name}: {error}.") from error
    return -amount if value.startswith("-") else amount
