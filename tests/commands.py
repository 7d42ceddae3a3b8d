"""Builders of the commands beside opening and transfer, and of what these refer to."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from chronos.domain.account import FreezeScope
from chronos.domain.commands import (
    AnnotateAccount,
    CaptureHold,
    CloseAccount,
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
from chronos.domain.states import BookedPosting, HoldState, HoldStatus, JournalEntry
from chronos.wire.booking import Attempt, BatchAttempt
from tests.builders import TRACEPARENT


def entries(*postings: tuple[str, int], **changes: Any) -> PostEntries:
    command = PostEntries(
        transfer_id=TransferId("ent_1"),
        postings=tuple(Posting(AccountId(name), amount) for name, amount in postings),
        currency="EUR",
        description=None,
        value_date=None,
        metadata={},
        expected_versions={},
    )
    return replace(command, **changes)


def exchange(
    source: str = "alice",
    destination: str = "yuki",
    sell: int = 100,
    buy: int = 16000,
    **changes: Any,
) -> ExchangeFunds:
    command = ExchangeFunds(
        transfer_id=TransferId("exc_1"),
        source=AccountId(source),
        destination=AccountId(destination),
        sell_amount=sell,
        buy_amount=buy,
        sell_currency=None,
        buy_currency=None,
        sell_positions=(),
        buy_positions=(),
        description=None,
        value_date=None,
        metadata={},
        expected_versions={},
    )
    return replace(command, **changes)


def reverse(reverses: str = "trf_1", **changes: Any) -> ReverseTransfer:
    command = ReverseTransfer(
        transfer_id=TransferId("rev_1"),
        reverses=TransferId(reverses),
        description=None,
        value_date=None,
        metadata={},
        expected_versions={},
    )
    return replace(command, **changes)


def place(account_id: str = "alice", amount: int = 100, **changes: Any) -> PlaceHold:
    command = PlaceHold(
        hold_id=HoldId("hld_1"),
        account_id=AccountId(account_id),
        amount=amount,
        currency="EUR",
        expires_at=None,
        description=None,
        metadata={},
        expected_versions={},
    )
    return replace(command, **changes)


def capture(hold_id: str = "hld_1", destination: str = "bob", **changes: Any) -> CaptureHold:
    command = CaptureHold(
        hold_id=HoldId(hold_id),
        transfer_id=TransferId("cap_1"),
        destination=AccountId(destination),
        amount=None,
        description=None,
        value_date=None,
        metadata={},
        expected_versions={},
    )
    return replace(command, **changes)


def void(hold_id: str = "hld_1", **changes: Any) -> VoidHold:
    command = VoidHold(hold_id=HoldId(hold_id), description=None, expected_versions={})
    return replace(command, **changes)


def expire(hold_id: str = "hld_1") -> ExpireHold:
    return ExpireHold(hold_id=HoldId(hold_id))


def set_limit(
    account_id: str = "alice", limit: int | None = 0, **changes: Any
) -> SetOverdraftLimit:
    command = SetOverdraftLimit(
        account_id=AccountId(account_id),
        overdraft_limit=limit,
        description=None,
        expected_version=None,
    )
    return replace(command, **changes)


def freeze(
    account_id: str = "alice", scope: FreezeScope = FreezeScope.ALL, **changes: Any
) -> FreezeAccount:
    command = FreezeAccount(
        account_id=AccountId(account_id), scope=scope, description=None, expected_version=None
    )
    return replace(command, **changes)


def unfreeze(account_id: str = "alice", **changes: Any) -> UnfreezeAccount:
    command = UnfreezeAccount(
        account_id=AccountId(account_id), description=None, expected_version=None
    )
    return replace(command, **changes)


def close(account_id: str = "alice", **changes: Any) -> CloseAccount:
    command = CloseAccount(
        account_id=AccountId(account_id), description=None, expected_version=None
    )
    return replace(command, **changes)


def annotate(account_id: str = "alice", **changes: Any) -> AnnotateAccount:
    command = AnnotateAccount(
        account_id=AccountId(account_id),
        metadata={"tier": "gold"},
        description=None,
        expected_version=None,
    )
    return replace(command, **changes)


def batch(*items: Attempt, key: str = "batch-1", is_atomic: bool = False) -> BatchAttempt:
    """A batch of attempts, under the principal of the builders."""
    meaning = repr((is_atomic, [(item.idempotency_key, item.command) for item in items]))
    return BatchAttempt(
        items=items,
        is_atomic=is_atomic,
        principal="tester",
        idempotency_key=key,
        request_hash=hashlib.sha256(meaning.encode()).digest(),
        request_id="req_1",
        traceparent=TRACEPARENT,
        instance="/v1/batches",
    )


def hold_state(hold_id: str = "hld_1", account_id: str = "alice", **changes: Any) -> HoldState:
    state = HoldState(
        hold_id=HoldId(hold_id),
        account_id=AccountId(account_id),
        amount=100,
        expires_at=None,
        status=HoldStatus.OPEN,
    )
    return replace(state, **changes)


def journal_entry(
    *postings: tuple[str, int],
    transfer_id: str = "trf_1",
    currency: str = "EUR",
    **changes: Any,
) -> JournalEntry:
    entry = JournalEntry(
        transfer_id=TransferId(transfer_id),
        postings=tuple(
            BookedPosting(AccountId(name), amount, currency) for name, amount in postings
        ),
        reverses=None,
        reversed_by=None,
    )
    return replace(entry, **changes)
