"""The bank as dictionaries of whole numbers: what becomes of a command, told without the core.

The commands are the language of the examples; nothing else of the bank is known here. Each rule
is written down a second time, as plainly as it can be, in the order in which the first wrong
thing is named.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from chronos.domain import commands as c

GREATEST = 2**53 - 1
AHEAD, BACK = timedelta(days=366), timedelta(days=3653)
FROZEN = {"debits": "frozen_debits", "all": "frozen_all"}
IN_PATH = (
    c.SetOverdraftLimit
    | c.FreezeAccount
    | c.UnfreezeAccount
    | c.CloseAccount
    | c.AnnotateAccount
)
STATUS_OF = {
    "account_not_found": 422,
    "currency_mismatch": 422,
    "date_invalid": 422,
    "hold_not_found": 404,
    "same_account": 422,
    "transfer_not_found": 404,
    "unbalanced": 422,
    "version_conflict": 412,
}


@dataclass(frozen=True)
class Moment:
    """When a command is decided."""

    now: datetime
    today: date


class Refused(Exception):
    """Ends a decision with the code of its refusal."""


class Model:
    """What the bank is after the commands so far."""

    def __init__(self) -> None:
        self.accounts: dict[str, dict[str, Any]] = {}
        self.holds: dict[str, dict[str, Any]] = {}
        self.entries: dict[str, dict[str, Any]] = {}
        self.looked_up: list[str] = []
        """Accounts that were there, and position accounts as they were, at the look-up."""
        self.chosen: dict[str, str] = {}

    def look_up(self) -> None:
        """Chooses position accounts before a request: open ones first, of them the oldest."""
        self.looked_up = list(self.accounts)
        self.chosen = {}
        oldest = sorted(self.accounts.items(), key=lambda item: (item[1]["since"], item[0]))
        for wanted in (True, False):
            for name, account in oldest:
                is_open = account["status"] == "open"
                if account["kind"] == "position" and is_open is wanted:
                    self.chosen.setdefault(account["currency"], name)

    def copy(self) -> Model:
        return deepcopy(self)

    def do(self, command: c.Command, at: Moment) -> str | None:
        """Does what the command asks, or gives the code of its refusal and does nothing."""
        try:
            RULES[type(command)](self, command, at)
        except Refused as refused:
            return str(refused)
        return None

    def available(self, name: str) -> int:
        account = self.accounts[name]
        return account["booked"] - account["held"] + (account["limit"] or 0)

    def balances(self, name: str) -> dict[str, int]:
        account = self.accounts[name]
        return {
            "version": account["version"],
            "booked": account["booked"],
            "held": account["held"],
            "available": self.available(name),
        }

    def versions(self) -> dict[str, int]:
        return {name: account["version"] for name, account in self.accounts.items()}

    def open_holds(self, name: str) -> dict[str, tuple[int, datetime | None]]:
        return {
            hold_id: (hold["amount"], hold["expires_at"])
            for hold_id, hold in self.holds.items()
            if hold["account"] == name and hold["status"] == "open"
        }

    def position_account(self, currency: str) -> str | None:
        """The one that was chosen, or one that the batch opened itself; best an open one."""
        kept = ("position", currency)
        named = [n for n, a in self.accounts.items() if (a["kind"], a["currency"]) == kept]
        newer = [name for name in named if name not in self.looked_up]
        choice = [name for name in (self.chosen.get(currency), *newer) if name is not None]
        still_open = [name for name in choice if self.accounts[name]["status"] == "open"]
        return next(iter([*still_open, *choice]), None)

    def _open(self, command: c.OpenAccount, at: Moment) -> None:
        if command.account_id in self.accounts:
            raise Refused("account_exists")
        taken = {a["external_id"] for a in self.accounts.values()} - {None}
        if command.external_id in taken:
            raise Refused("external_id_exists")
        opened_on = command.opened_on or at.today
        if not at.today - BACK <= opened_on <= at.today:
            raise Refused("date_invalid")
        self.accounts[command.account_id] = {
            "currency": command.currency,
            "kind": command.kind.value,
            "version": 1,
            "booked": 0,
            "held": 0,
            "limit": _limit(command.overdraft_limit, command.kind.value),
            "status": "open",
            "opened_on": opened_on,
            "since": at.now,
            "external_id": command.external_id,
            "metadata": dict(command.metadata),
        }

    def _transfer(self, command: c.TransferFunds, at: Moment) -> None:
        if command.source == command.destination:
            raise Refused("same_account")
        legs = [(command.source, -command.amount), (command.destination, command.amount)]
        self._book(command, [(*leg, command.currency) for leg in legs], at)

    def _entries(self, command: c.PostEntries, at: Moment) -> None:
        if sum(posting.amount for posting in command.postings) != 0:
            raise Refused("unbalanced")
        names = [posting.account_id for posting in command.postings]
        if len(set(names)) < len(names):
            raise Refused("same_account")
        legs = [(p.account_id, p.amount, command.currency) for p in command.postings]
        self._book(command, legs, at)

    def _exchange(self, command: c.ExchangeFunds, at: Moment) -> None:
        source, destination = self._known(command.source), self._known(command.destination)
        if command.source == command.destination:
            raise Refused("same_account")
        sold, bought = source["currency"], destination["currency"]
        believed = (command.sell_currency or sold, command.buy_currency or bought)
        if believed != (sold, bought) or sold == bought:
            raise Refused("currency_mismatch")
        mine, other = self.position_account(sold), self.position_account(bought)
        if mine is None or other is None:
            raise Refused("position_account_missing")
        if {mine, other} & {command.source, command.destination}:
            raise Refused("same_account")
        legs = [
            (command.source, -command.sell_amount, sold),
            (mine, command.sell_amount, sold),
            (other, -command.buy_amount, bought),
            (command.destination, command.buy_amount, bought),
        ]
        self._book(command, legs, at)

    def _reverse(self, command: c.ReverseTransfer, at: Moment) -> None:
        original = self.entries.get(command.reverses)
        if original is None:
            raise Refused("transfer_not_found")
        if original["reversed"]:
            raise Refused("already_reversed")
        if original["is_reversal"]:
            raise Refused("not_reversible")
        legs = [
            (name, -amount, self.accounts[name]["currency"])
            for name, amount in original["postings"]
        ]
        self._book(command, legs, at)
        self.entries[command.transfer_id]["is_reversal"] = True
        original["reversed"] = True

    def _place(self, command: c.PlaceHold, at: Moment) -> None:
        account = self._known(command.account_id)
        if account["currency"] != command.currency:
            raise Refused("currency_mismatch")
        if command.expires_at is not None and command.expires_at <= at.now:
            raise Refused("date_invalid")
        if command.hold_id in self.holds:
            raise Refused("hold_exists")
        self._believed(command.expected_versions)
        _permitted(account, paying=True)
        available = self.available(command.account_id)
        if account["limit"] is not None and command.amount > available:
            raise Refused("insufficient_funds")
        if (
            account["held"] + command.amount > GREATEST
            or available - command.amount < -GREATEST
        ):
            raise Refused("balance_limit")
        account["held"] += command.amount
        account["version"] += 1
        self.holds[command.hold_id] = {
            "account": command.account_id,
            "amount": command.amount,
            "expires_at": command.expires_at,
            "status": "open",
        }

    def _capture(self, command: c.CaptureHold, at: Moment) -> None:
        hold = self._open_hold(command.hold_id)
        if hold["expires_at"] is not None and hold["expires_at"] <= at.now:
            raise Refused("hold_not_open")
        amount = hold["amount"] if command.amount is None else command.amount
        if amount > hold["amount"]:
            raise Refused("capture_exceeds_hold")
        payer = hold["account"]
        if command.destination == payer:
            raise Refused("same_account")
        currency = self.accounts[payer]["currency"]
        legs = [(payer, -amount, currency), (command.destination, amount, currency)]
        self._book(command, legs, at, freed=hold["amount"])
        self._end(hold, "captured")

    def _void(self, command: c.VoidHold, _: Moment) -> None:
        hold = self._open_hold(command.hold_id)
        self._believed(command.expected_versions)
        self._end(hold, "voided")

    def _expire(self, command: c.ExpireHold, at: Moment) -> None:
        hold = self._open_hold(command.hold_id)
        if hold["expires_at"] is None or hold["expires_at"] > at.now:
            raise Refused("date_invalid")
        self._end(hold, "expired")

    def _set_limit(self, command: c.SetOverdraftLimit, _: Moment) -> None:
        account = self._addressed(command)
        limit = _limit(command.overdraft_limit, account["kind"])
        unreserved = account["booked"] - account["held"]
        if limit is not None and unreserved + limit < 0:
            raise Refused("insufficient_funds")
        if account["booked"] + (limit or 0) > GREATEST or unreserved < -GREATEST:
            raise Refused("balance_limit")
        account["limit"] = limit
        account["version"] += 1

    def _freeze(self, command: c.FreezeAccount, _: Moment) -> None:
        account = self._addressed(command)
        if account["status"] == FROZEN[command.scope]:
            raise Refused("account_frozen")
        account["status"] = FROZEN[command.scope]
        account["version"] += 1

    def _unfreeze(self, command: c.UnfreezeAccount, _: Moment) -> None:
        account = self._addressed(command)
        if account["status"] == "open":
            raise Refused("account_not_frozen")
        account["status"] = "open"
        account["version"] += 1

    def _close(self, command: c.CloseAccount, _: Moment) -> None:
        account = self._addressed(command)
        if self.open_holds(command.account_id):
            raise Refused("holds_open")
        if account["booked"] != 0:
            raise Refused("balance_not_zero")
        account["status"] = "closed"
        account["version"] += 1

    def _annotate(self, command: c.AnnotateAccount, _: Moment) -> None:
        account = self._addressed(command)
        account["metadata"] = dict(command.metadata)
        account["version"] += 1

    def _addressed(self, command: c.AccountVerb) -> dict[str, Any]:
        account = self._known(command.account_id)
        if command.expected_version not in (None, account["version"]):
            raise Refused("version_conflict")
        if account["status"] == "closed":
            raise Refused("account_closed")
        return account

    def _book(
        self, command: Any, legs: list[tuple[str, int, str]], at: Moment, freed: int = 0
    ) -> None:
        """Books postings; what a capture sets free counts for its payer."""
        accounts = [self._known(name) for name, _, _ in legs]
        if any(a["currency"] != leg[2] for a, leg in zip(accounts, legs, strict=True)):
            raise Refused("currency_mismatch")
        self._datable(command.value_date, accounts, at)
        if command.transfer_id in self.entries:
            raise Refused("transfer_exists")
        self._believed(command.expected_versions)
        for account, (_, amount, _) in zip(accounts, legs, strict=True):
            _permitted(account, paying=amount < 0)
        for name, amount, _ in legs:
            self._payable(name, amount, freed if amount < 0 else 0)
        for name, amount, _ in legs:
            self._countable(name, amount, freed if amount < 0 else 0)
        for account, (_, amount, _) in zip(accounts, legs, strict=True):
            account["booked"] += amount
            account["version"] += 1
        self.entries[command.transfer_id] = {
            "postings": [(name, amount) for name, amount, _ in legs],
            "reversed": False,
            "is_reversal": False,
        }

    def _payable(self, name: str, amount: int, freed: int) -> None:
        is_bounded = self.accounts[name]["limit"] is not None
        if is_bounded and amount < 0 and self.available(name) + freed + amount < 0:
            raise Refused("insufficient_funds")

    def _countable(self, name: str, amount: int, freed: int) -> None:
        account = self.accounts[name]
        booked = account["booked"] + amount
        lowest = min(booked, self.available(name) + freed + amount)
        if booked + (account["limit"] or 0) > GREATEST or lowest < -GREATEST:
            raise Refused("balance_limit")

    def _datable(self, day: date | None, accounts: list[dict[str, Any]], at: Moment) -> None:
        if day is None or day == at.today:
            return
        is_too_early = any(day < account["opened_on"] for account in accounts)
        if is_too_early or not at.today - BACK <= day <= at.today + AHEAD:
            raise Refused("date_invalid")

    def _known(self, name: str) -> dict[str, Any]:
        if name not in self.accounts:
            raise Refused("account_not_found")
        return self.accounts[name]

    def _believed(self, versions: Any) -> None:
        if any(self.accounts[name]["version"] != v for name, v in versions.items()):
            raise Refused("version_conflict")

    def _open_hold(self, hold_id: str) -> dict[str, Any]:
        if hold_id not in self.holds:
            raise Refused("hold_not_found")
        if self.holds[hold_id]["status"] != "open":
            raise Refused("hold_not_open")
        return self.holds[hold_id]

    def _end(self, hold: dict[str, Any], status: str) -> None:
        hold["status"] = status
        account = self.accounts[hold["account"]]
        account["held"] -= hold["amount"]
        account["version"] += 1


RULES: dict[type, Callable[[Model, Any, Moment], None]] = {
    c.OpenAccount: Model._open,
    c.TransferFunds: Model._transfer,
    c.PostEntries: Model._entries,
    c.ExchangeFunds: Model._exchange,
    c.ReverseTransfer: Model._reverse,
    c.PlaceHold: Model._place,
    c.CaptureHold: Model._capture,
    c.VoidHold: Model._void,
    c.ExpireHold: Model._expire,
    c.SetOverdraftLimit: Model._set_limit,
    c.FreezeAccount: Model._freeze,
    c.UnfreezeAccount: Model._unfreeze,
    c.CloseAccount: Model._close,
    c.AnnotateAccount: Model._annotate,
}


def status_of(command: c.Command, code: str | None) -> int:
    """The HTTP status of an outcome."""
    if code is None:
        is_end = isinstance(command, c.CaptureHold | c.VoidHold | c.ExpireHold | IN_PATH)
        return 200 if is_end else 201
    if code == "account_not_found" and isinstance(command, IN_PATH):
        return 404
    return STATUS_OF.get(code, 409)


def _limit(asked: int | None, kind: str) -> int | None:
    return 0 if asked is None and kind == "customer" else asked


def _permitted(account: dict[str, Any], *, paying: bool) -> None:
    if account["status"] == "closed":
        raise Refused("account_closed")
    if account["status"] == "frozen_all" or (account["status"] == "frozen_debits" and paying):
        raise Refused("account_frozen")
