"""`verify` proves a true journal and finds each planted lie."""

import pytest

from chronos.audit.verify import verify
from chronos.errors import Unavailable
from tests.integration.audit.conftest import spoil

LIES = {
    "a flipped byte in a body": (
        "UPDATE events SET body = set_byte(body, 40, get_byte(body, 40) # 1)"
        " WHERE account_id = 'alice' AND version = 3",
        {"hash_chain"},
    ),
    "a changed after-value": (
        "UPDATE events SET booked_after = booked_after + 1"
        " WHERE account_id = 'bob' AND version = 4",
        {"columns"},
    ),
    "a changed amount": (
        "UPDATE events SET amount = amount * 2 WHERE account_id = 'bob' AND version = 4",
        {"columns", "zero_sum", "grand_total"},
    ),
    "a deleted event": (
        "DELETE FROM events WHERE account_id = 'carol' AND version = 2",
        {"gapless", "hash_chain", "zero_sum", "grand_total"},
    ),
    "a deleted last event": (
        "DELETE FROM events e USING (SELECT max(version) v FROM events"
        " WHERE account_id = 'carol') m WHERE e.account_id = 'carol' AND e.version = m.v",
        {"zero_sum", "grand_total"},
    ),
    "a deleted whole transfer": (
        "DELETE FROM events WHERE transfer_id = 'trf_5'",
        {"gapless", "hash_chain"},
    ),
    "a changed hash": (
        "UPDATE events SET hash = decode(repeat('ab', 32), 'hex')"
        " WHERE account_id = 'dave' AND version = 2",
        {"hash_chain"},
    ),
    "an identity without events": (
        "INSERT INTO accounts (account_id, currency, kind, opened_at)"
        " VALUES ('ghost', 'EUR', 'customer', now())",
        {"identity"},
    ),
    "an identity that contradicts its first event": (
        "UPDATE accounts SET currency = 'USD' WHERE account_id = 'alice'",
        {"identity"},
    ),
    "events without an identity": (
        "DELETE FROM accounts WHERE account_id = 'alice'",
        {"identity"},
    ),
    "time that goes back": (
        "UPDATE events SET recorded_at = recorded_at - interval '1 day'"
        " WHERE account_id = 'bob' AND version = 2",
        {"order", "columns"},
    ),
}


async def test_a_true_journal_is_proved_clean(journal, books):
    report = await verify(journal)

    assert report.lines() == [f"verify: clean (4 accounts, {len(books.events)} events)"]
    assert report.facts["grand_totals"] == {"EUR": 0}


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.replace(" ", "_"))
async def test_a_planted_lie_is_found(journal, lie):
    statement, expected = LIES[lie]
    await spoil(journal, statement)

    report = await verify(journal)

    assert report.exit_code == 1
    assert expected <= set(report.findings_by_check)


async def test_progress_is_told_and_a_second_proof_gives_the_same(journal):
    first = await verify(journal, progress=lambda _: None)
    second = await verify(journal)

    assert first.to_builtins() == second.to_builtins()


async def test_a_database_that_does_not_answer_is_a_fault_and_not_a_clean_journal():
    with pytest.raises(Unavailable):
        await verify("postgresql://nobody@127.0.0.1:1/none")
