"""What the tests of the group commit share: eight unbounded accounts and one held lane."""

from __future__ import annotations

import pytest

from chronos.domain.chart import AccountKind
from chronos.ledger.needs import needs_of
from chronos.store.group_commit import GroupCommit
from tests.builders import MemoryBank, attempt, open_account
from tests.unit.store.held import LIMITS, HeldCommitter


@pytest.fixture
def bank():
    bank = MemoryBank.empty()
    for name in "abcdefgh":
        bank.book([attempt(open_account(name, kind=AccountKind.SETTLEMENT), f"open-{name}")])
    return bank


@pytest.fixture
def committer(bank):
    return HeldCommitter(bank)


@pytest.fixture
async def journal(committer):
    async with GroupCommit([committer], None, needs_of=needs_of, limits=LIMITS) as journal:
        yield journal
