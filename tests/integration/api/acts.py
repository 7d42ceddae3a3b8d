"""Every command once: how its request is made ready, and what its answer must say."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.integration.api.wire import Answer, Door

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One request that will be granted, on things of its own."""

    path: str
    fields: dict[str, Any] = field(default_factory=dict)
    status: int = 201
    location: str | None = None
    accounts: tuple[str, ...]
    """Those that it changes, in the order of its events."""

    def send(self, door: Door, *, key: str | None = None, **headers: str | None) -> Answer:
        return door.post(self.path, self.fields, key=key, **headers)

    def preview(self, door: Door, **headers: str | None) -> Answer:
        return door.post(f"{self.path}?dry_run=true", self.fields, **headers)


def furnish(door: Door) -> None:
    """Gives the bank its position accounts."""
    for account_id, currency in (("pos-eur", "EUR"), ("pos-jpy", "JPY")):
        assert door.open_account(account_id, currency, kind="position").status == 201


def fresh(prefix: str) -> str:
    return f"{prefix}-{next(_numbers)}"


def customer(door: Door, amount: int = 0) -> str:
    """Opens an account with money in it."""
    account_id = fresh("cust")
    assert door.open_account(account_id).status == 201
    if amount:
        assert door.transfer("bank", account_id, amount).status == 201
    return account_id


def hold(door: Door, account_id: str, amount: int, **fields: Any) -> str:
    """Places a hold."""
    hold_id = fresh("hold")
    body = {"id": hold_id, "account": account_id, "amount": amount, "currency": "EUR"}
    door.made("/v1/holds", {**body, **fields})
    return hold_id


def _open(_door: Door) -> Act:
    new = fresh("new")
    fields = {"id": new, "currency": "EUR", "external_id": f"crm-{new}"}
    location = f"/v1/accounts/{new}"
    return Act(path="/v1/accounts", fields=fields, location=location, accounts=(new,))


def _transfer(door: Door) -> Act:
    payer, payee, made = customer(door, 100), customer(door), fresh("trf")
    fields = {"id": made, "from": payer, "to": payee, "amount": 30, "currency": "EUR"}
    location = f"/v1/transfers/{made}"
    return Act(path="/v1/transfers", fields=fields, location=location, accounts=(payer, payee))


def _entries(door: Door) -> Act:
    accounts, made = (customer(door, 100), customer(door, 100), customer(door)), fresh("ent")
    amounts = (-30, -20, 50)
    postings = [
        {"account": account, "amount": amount}
        for account, amount in zip(accounts, amounts, strict=True)
    ]
    fields = {"id": made, "currency": "EUR", "postings": postings}
    location = f"/v1/transfers/{made}"
    return Act(path="/v1/entries", fields=fields, location=location, accounts=accounts)


def _exchange(door: Door) -> Act:
    payer, payee, made = customer(door, 100), fresh("yen"), fresh("exc")
    assert door.open_account(payee, "JPY").status == 201
    return Act(
        path="/v1/exchanges",
        fields={"id": made, "from": payer, "to": payee, "sell_amount": 7, "buy_amount": 1131},
        location=f"/v1/transfers/{made}",
        accounts=(payer, "pos-eur", "pos-jpy", payee),
    )


def _reverse(door: Door) -> Act:
    payer, payee, made = customer(door, 100), customer(door), fresh("rev")
    transfer = door.transfer(payer, payee, 30).json["id"]
    return Act(
        path=f"/v1/transfers/{transfer}/reverse",
        fields={"transfer_id": made},
        location=f"/v1/transfers/{made}",
        accounts=(payer, payee),
    )


def _hold(door: Door) -> Act:
    payer, made = customer(door, 100), fresh("hld")
    fields = {"id": made, "account": payer, "amount": 60, "currency": "EUR"}
    location = f"/v1/holds/{made}"
    return Act(path="/v1/holds", fields=fields, location=location, accounts=(payer,))


def _capture(door: Door) -> Act:
    payer, payee = customer(door, 100), customer(door)
    held = hold(door, payer, 60)
    return Act(
        path=f"/v1/holds/{held}/capture",
        fields={"to": payee, "amount": 40},
        status=200,
        accounts=(payer, payee),
    )


def _void(door: Door) -> Act:
    payer = customer(door, 100)
    path = f"/v1/holds/{hold(door, payer, 60)}/void"
    return Act(path=path, status=200, accounts=(payer,))


def _verb(verb: str, **fields: Any) -> Callable[[Door], Act]:
    def make(door: Door) -> Act:
        account = customer(door)
        if verb == "unfreeze":
            door.made(f"/v1/accounts/{account}/freeze", status=200)
        path = f"/v1/accounts/{account}/{verb}"
        return Act(path=path, fields=fields, status=200, accounts=(account,))

    return make


def _batch(door: Door) -> Act:
    opening, transfer = _open(door), _transfer(door)
    commands = [
        {"type": "open_account", **opening.fields},
        {"type": "transfer", **transfer.fields},
    ]
    accounts = (*opening.accounts, *transfer.accounts)
    fields = {"atomic": True, "commands": commands}
    return Act(path="/v1/batches", fields=fields, status=200, accounts=accounts)


ACTS: dict[str, Callable[[Door], Act]] = {
    "/v1/accounts": _open,
    "/v1/transfers": _transfer,
    "/v1/entries": _entries,
    "/v1/exchanges": _exchange,
    "/v1/transfers/{id}/reverse": _reverse,
    "/v1/holds": _hold,
    "/v1/holds/{id}/capture": _capture,
    "/v1/holds/{id}/void": _void,
    "/v1/accounts/{id}/freeze": _verb("freeze", scope="debits"),
    "/v1/accounts/{id}/unfreeze": _verb("unfreeze"),
    "/v1/accounts/{id}/close": _verb("close"),
    "/v1/accounts/{id}/overdraft-limit": _verb("overdraft-limit", overdraft_limit=500),
    "/v1/accounts/{id}/metadata": _verb("metadata", metadata={"colour": "red"}),
    "/v1/batches": _batch,
}
"""By the path of the route."""
OPTIONAL_BODIES = (
    "/v1/transfers/{id}/reverse",
    "/v1/holds/{id}/void",
    "/v1/accounts/{id}/freeze",
    "/v1/accounts/{id}/unfreeze",
    "/v1/accounts/{id}/close",
)
