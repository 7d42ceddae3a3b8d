"""A day on which all happens that can happen to an account, and some things are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from chronos.domain.account import FreezeScope
from chronos.domain.chart import AccountKind
from chronos.domain.commands import (
    AnnotateAccount,
    CaptureHold,
    CloseAccount,
    Command,
    ExchangeFunds,
    ExpireHold,
    FreezeAccount,
    PlaceHold,
    PostEntries,
    Posting,
    ReverseTransfer,
    SetOverdraftLimit,
    UnfreezeAccount,
    VoidHold,
)
from chronos.domain.ids import AccountId, HoldId, TransferId
from chronos.ledger.resolve import resolved
from chronos.wire.booking import Booked
from tests.builders import NOW, TODAY, MemoryBank, attempt, open_account, transfer

_MONEY = {
    "description": None, "value_date": None, "metadata": {}, "expected_versions": {},
}  # fmt: skip
_VERB = {"description": "as agreed", "expected_version": None}


def morning() -> list[Command]:
    """Accounts, money of every form, holds with every end but their expiry."""
    return [
        open_account("bank:EUR", kind=AccountKind.SETTLEMENT),
        open_account("pos:EUR", kind=AccountKind.POSITION),
        open_account("pos:JPY", kind=AccountKind.POSITION, currency="JPY"),
        open_account("alice", overdraft_limit=500, external_id="crm-7", metadata={"a": "ü"}),
        open_account("bob", opened_on=TODAY - timedelta(days=400)),
        open_account("yuki", currency="JPY"),
        open_account("carol"),
        transfer(
            "bank:EUR", "alice", 90_000, transfer_id="trf_in", external_id="pacs-1",
            description="Löhne — “März”", metadata={"run": "2026-03"}, value_date=TODAY,
        ),
        PostEntries(
            transfer_id=TransferId("trf_split"),
            postings=tuple(
                Posting(AccountId(name), amount)
                for name, amount in (("alice", -300), ("bob", 200), ("carol", 100))
            ),
            currency="EUR",
            **_MONEY,
        ),
        ExchangeFunds(
            transfer_id=TransferId("trf_fx"),
            source=AccountId("alice"),
            destination=AccountId("yuki"),
            sell_amount=1_000,
            buy_amount=1_600,
            sell_currency="EUR",
            buy_currency=None,
            sell_positions=(),
            buy_positions=(),
            **_MONEY,
        ),
        ReverseTransfer(
            transfer_id=TransferId("trf_back"), reverses=TransferId("trf_split"), **_MONEY
        ),
        *(hold(name) for name in ("hold_captured", "hold_voided")),
        hold("hold_expired", expires_at=NOW + timedelta(hours=1)),
        CaptureHold(
            hold_id=HoldId("hold_captured"),
            transfer_id=TransferId("trf_capture"),
            destination=AccountId("bob"),
            amount=40,
            **_MONEY,
        ),
        VoidHold(hold_id=HoldId("hold_voided"), description=None, expected_versions={}),
        SetOverdraftLimit(account_id=AccountId("alice"), overdraft_limit=None, **_VERB),
        FreezeAccount(account_id=AccountId("bob"), scope=FreezeScope.DEBITS, **_VERB),
        UnfreezeAccount(account_id=AccountId("bob"), **_VERB),
        FreezeAccount(account_id=AccountId("bob"), scope=FreezeScope.ALL, **_VERB),
        AnnotateAccount(account_id=AccountId("alice"), metadata={"vip": "yes"}, **_VERB),
        CloseAccount(account_id=AccountId("carol"), **_VERB),
    ]  # fmt: skip


def refused() -> list[Command]:
    """Commands that the rules refuse after the morning, each for a reason of its own."""
    return [
        transfer("yuki", "pos:JPY", 10_000, currency="JPY", transfer_id="trf_poor"),
        transfer("alice", "bob", transfer_id="trf_frozen"),
        transfer("alice", "carol", transfer_id="trf_closed"),
        transfer("alice", "alice", transfer_id="trf_self"),
        VoidHold(hold_id=HoldId("hold_voided"), description=None, expected_versions={}),
        CloseAccount(account_id=AccountId("alice"), **_VERB),
        open_account("alice"),
    ]


def hold(name: str, **changes: object) -> PlaceHold:
    members = {"expires_at": None, "metadata": {}, "expected_versions": {}} | changes
    return PlaceHold(
        hold_id=HoldId(name),
        account_id=AccountId("alice"),
        amount=100,
        currency="EUR",
        description="until it is shipped",
        **members,
    )


async def booked(bank: MemoryBank, commands: Sequence[Command], day: str) -> list[Booked]:
    """Books commands one after the other, each with the accounts that it refers to."""
    done = []
    for number, command in enumerate(commands):
        complete = await resolved(attempt(command, f"{day}-{number}"), bank)
        done.append(bank.book([complete]))
    return done


async def whole_day() -> list[Booked]:
    """Gives what each command of the day wrote."""
    bank = MemoryBank.empty()
    done = await booked(bank, morning(), "morning")
    assert [one.receipts[0].body for one in done if one.receipts[0].status >= 400] == []
    done += await booked(bank, refused(), "refused")
    bank.state = replace(bank.state, now=bank.state.now + timedelta(hours=2))
    done += await booked(bank, [ExpireHold(hold_id=HoldId("hold_expired"))], "evening")
    return done
