"""The bank of a run, opened and funded through the API, each command in the history."""

from __future__ import annotations

import random
from typing import Final

import msgspec

from chronos.chaos.bank import SETTLEMENT, START_AMOUNT, BankAccount
from chronos.chaos.history import Kind, Outcome, Recorder
from chronos.chaos.load.attempts import Attempts
from chronos.chaos.load.choosing import Intention
from chronos.chaos.load.clients import Commands
from chronos.errors import ChronosError

OPENING_PROCESS: Final = 0


class BankNotOpened(ChronosError):
    """Says which account could not be opened or funded, and what was answered."""


async def open_bank(
    bank: tuple[BankAccount, ...], commands: Commands, recorder: Recorder, *, seed: int
) -> None:
    """Opens all accounts and funds each from the settlement account of its currency.

    Raises:
        BankNotOpened: One of the commands was not granted.
    """
    chance = random.Random(f"pause/{seed}/opening")  # noqa: S311 - to be repeated
    attempts = Attempts(recorder, process=OPENING_PROCESS, chance=chance)
    for intention in [*map(_opening, bank), *_fundings(bank)]:
        answer = await attempts.until_known(
            intention, lambda one: commands.command(one.path, one.key, one.body)
        )
        if answer.outcome is not Outcome.OK:
            said = f"{answer.status} {answer.code} {answer.reply}".strip()
            raise BankNotOpened(f"{intention.key} was answered with {said}.")


def _opening(account: BankAccount) -> Intention:
    body: dict[str, object] = {"id": account.account_id, "currency": account.currency}
    if account.overdraft_limit is None:
        body["kind"] = "settlement"
    else:
        body["overdraft_limit"] = account.overdraft_limit
    return _command(Kind.OPEN, "/v1/accounts", f"open-{account.account_id}", body)


def _fundings(bank: tuple[BankAccount, ...]) -> list[Intention]:
    return [
        _command(
            Kind.TRANSFER,
            "/v1/transfers",
            key := f"fund-{account.account_id}",
            {
                "id": key,
                "from": SETTLEMENT + account.currency,
                "to": account.account_id,
                "amount": START_AMOUNT,
                "currency": account.currency,
            },
        )
        for account in bank
        if account.overdraft_limit is not None
    ]


def _command(kind: Kind, path: str, key: str, body: dict[str, object]) -> Intention:
    text = msgspec.json.encode(body).decode()
    return Intention(kind=kind, method="POST", path=path, key=key, body=text)
