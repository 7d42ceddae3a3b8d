"""Makes the parts of commands from what the strategies drew and what the model knows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from hypothesis.stateful import multiple

from tests.property.examples import GREATEST, PLAIN, Amount, Manner
from tests.property.teller import Teller


class Hands(Teller):
    """The part of the machine that turns seats, days and beliefs into names and numbers.

    Everything is looked up in what the model will be after the batch that is being filled, so
    that its later commands may refer to its earlier ones.
    """

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, list[str]] = {"entry": [], "hold": [], "account": []}
        """Every name that was ever asked for, also in vain: such a name is free."""

    def seated(self, seat: int) -> str:
        names = [*self.imagined.accounts]
        return names[seat % len(names)]

    def seen(self, name: str, eye: str | None) -> str:
        """The newest account of which something is true, or the one that is named."""
        for other, account in reversed(self.imagined.accounts.items()):
            is_frozen = account["status"].startswith("frozen")
            is_ = {"held": account["held"], "frozen": is_frozen, "empty": not account["booked"]}
            if eye is not None and is_[eye]:
                return other
        return name

    def partner(self, name: str | None, seat: int, *without: str) -> str:
        """Another account in the same currency, and none of some others if there is one."""
        kept = self.imagined.accounts
        currency = self.currency(name)
        fitting = [other for other in kept if kept[other]["currency"] == currency]
        others = [other for other in fitting if other != name]
        choice = [other for other in others if other not in without] or others
        return choice[seat % len(choice)]

    def currency(self, name: str | None) -> str:
        return self.imagined.accounts.get(name, {}).get("currency", "EUR")

    def other_currency(self, name: str) -> str:
        return "JPY" if self.currency(name) == "EUR" else "EUR"

    def open_hold(self, hold_id: str, seat: int) -> str:
        """The hold if it is open, else one that is, if there is any."""
        holds = self.imagined.holds
        still = [other for other in holds if holds[other]["status"] == "open"]
        return hold_id if hold_id in still or not still else still[seat % len(still)]

    def client(self, name: str, seat: int) -> str:
        """The account, or another one that is not the bank's position."""
        kind = self.imagined.accounts.get(name, {}).get("kind")
        return self.partner(name, seat) if kind == "position" else name

    def abroad(self, name: str, seat: int) -> str:
        """An account in the other currency."""
        currency = self.other_currency(name)
        kept = self.imagined.accounts
        choice = [other for other in kept if kept[other]["currency"] == currency]
        return choice[seat % len(choice)]

    def amount(self, amount: Amount, payer: str | None, payee: str | None = None) -> int:
        measured = payee if amount.measure == "room" else payer
        base = self._measure(amount.measure, self.imagined.accounts.get(measured))
        return min(GREATEST, max(1, base + amount.exact))

    def limit(self, limit: int | Amount | None, name: str) -> int | None:
        if not isinstance(limit, Amount):
            return limit
        account = self.imagined.accounts.get(name)
        if account is not None and limit.measure == "room":
            account = {**account, "limit": 0}  # of which this is the only limit
        base = self._measure(limit.measure, account)
        return min(GREATEST, max(0, base + limit.exact))

    def _measure(self, measure: str | None, account: Mapping[str, Any] | None) -> int:
        if measure is None or account is None:
            return 0
        unreserved, limit = account["booked"] - account["held"], account["limit"] or 0
        return {
            "available": unreserved + limit,
            "without holds": account["booked"] + limit,
            "room": GREATEST - account["booked"] - limit,
            "debt": -unreserved,
        }[measure]

    def portion(self, portion: str, held: int) -> int | None:
        """How much of a hold is captured; None: all of it."""
        match portion:
            case "all":
                return None
            case "part":
                return max(1, held // 2)
            case "one":
                return 1
            case "exact":
                return held
            case _:
                return min(GREATEST, held + 1)

    def day(self, days: int | None) -> date | None:
        return None if days is None else self.driver.moment().today + timedelta(days=days)

    def wait_for_end_of(self, hold_id: str) -> None:
        """Lets time pass until a hold expires, if it does."""
        expires_at = self.imagined.holds.get(hold_id, {}).get("expires_at")
        if expires_at is not None:
            self.flush()
            self.driver.move_clock(max(timedelta(), expires_at - self.driver.moment().now))

    def instant(self, minutes: int | None) -> datetime | None:
        if minutes is None:
            return None
        return self.driver.moment().now + minutes * self.driver.minute

    def entry_id(self, manner: Manner = PLAIN) -> str:
        return self.name_for("entry", manner.taken_id)

    def name_for(self, what: str, taken: int | None) -> str:
        """A new name, or one of the last that were asked for."""
        names = self.names[what]
        if taken is not None and names:
            return names[-1 - taken % len(names)]
        names.append(self.fresh(f"{what}-"))
        return names[-1]

    def believed(self, manner: Manner, name: str | None) -> Mapping[str, int]:
        version = self._believed_version(manner, name)
        return {} if version is None else {name: version}

    def so(self, manner: Manner, name: str | None) -> dict[str, Any]:
        """The members that every journal entry may have."""
        return {
            "description": manner.description,
            "value_date": self.day(manner.days),
            "metadata": {} if manner.description is None else {"why": manner.description},
            "expected_versions": self.believed(manner, name),
        }

    def verb(self, manner: Manner, name: str) -> dict[str, Any]:
        """The members that every verb on an account may have."""
        version = self._believed_version(manner, name)
        return {"description": manner.description, "expected_version": version}

    def kept(self, name: str, known: Mapping[str, Any]) -> Any:
        """The name, for the bundle, of something that is there now; nothing otherwise."""
        return name if name in known else multiple()

    def _believed_version(self, manner: Manner, name: str | None) -> int | None:
        if manner.belief is None or name not in self.imagined.accounts:
            return None
        version = self.imagined.accounts[name]["version"]
        return version if manner.belief == "right" else version + 1
