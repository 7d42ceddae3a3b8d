"""Files brought into a bank in memory: once each, in their order, with every refusal named."""

import pytest

from chronos.client.refusals import Refused
from chronos.intake import rehearsal, run
from tests.unit.intake.conftest import problem


def account(name: str, **more) -> dict:
    return {"type": "account", "id": name, "currency": "EUR", **more}


def balance(name: str, amount: object, **more) -> dict:
    return {"type": "balance", "account": name, "amount": amount, "currency": "EUR", **more}


def transfer(source: str, destination: str, amount: object, **more) -> dict:
    return {
        "type": "transfer",
        "from": source,
        "to": destination,
        "amount": amount,
        "currency": "EUR",
        **more,
    }


BOOKS = [
    account("alice", external_id="crm-1", metadata={"city": "Bern"}),
    account("bob"),
    account("loans", kind="settlement"),
    balance("alice", "100.00"),
    balance("bob", 0),
    balance("loans", "-40"),
    transfer("alice", "bob", "12.50", description="rent"),
    transfer("alice", "bob", "12.50", description="rent"),
    {
        "type": "entry",
        "currency": "EUR",
        "postings": [
            {"account": "alice", "amount": "-3"},
            {"account": "bob", "amount": "1"},
            {"account": "loans", "amount": "2"},
        ],
    },
]
AFTER = {"alice": 7200, "bob": 2600, "loans": -3800, "opening.EUR": -6000}


async def test_accounts_balances_and_entries_are_brought_in(bank, bring_in):
    brought = await bring_in(*BOOKS)

    assert brought.outcomes == ["done"] * 4 + ["nothing to do"] + ["done"] * 4
    assert bank.booked == AFTER
    assert bank.memory.state.heads["opening.EUR"].state.kind.value == "equity"


async def test_the_same_file_again_changes_nothing(bank, bring_in):
    await bring_in(*BOOKS)
    versions = bank.versions

    again = await bring_in(*BOOKS)

    assert again.outcomes == ["already there"] * 4 + ["nothing to do"] + ["already there"] * 4
    assert bank.versions == versions


async def test_the_same_file_of_another_source_books_its_transfers_again(bring_in):
    await bring_in(*BOOKS)

    other = await bring_in(*BOOKS, source="second")

    assert other.outcomes[:3] == ["already there"] * 3
    assert other.outcomes[6:] == ["done"] * 3


async def test_a_refused_row_is_named_and_the_others_are_brought_in(bank, bring_in):
    rows = [account("alice"), transfer("alice", "bob", 5), balance("alice", 7), account("-")]

    brought = await bring_in(*rows)

    assert brought.outcomes == ["done", "refused", "done", "unreadable"]
    assert brought.codes == [None, "account_not_found", None, "id_invalid"]
    assert brought.tally.wrong_total == 2
    refused = next(row for row in brought.rows if row.line == 2)
    assert "There is no account bob" in refused.detail
    assert bank.booked["alice"] == 7


async def test_a_refused_row_gets_another_try_when_what_it_lacked_is_there(bank, bring_in):
    rows = [account("alice"), balance("alice", 10), transfer("alice", "bob", 5)]
    first = await bring_in(*rows)

    mended = await bring_in(account("alice"), balance("alice", 10), account("bob"), rows[2])
    third = await bring_in(*rows)

    assert first.outcomes == ["done", "done", "refused"]
    assert mended.outcomes == ["already there", "already there", "done", "done"]
    assert third.outcomes == ["already there"] * 3
    assert bank.booked["bob"] == 5


async def test_what_follows_a_row_that_gets_another_try_gets_one_too(bank, bring_in):
    rows = [transfer("bank", "alice", 9), transfer("alice", "bob", 4)]
    await bring_in(account("alice"), account("bob"), *rows)

    again = await bring_in(
        account("alice"), account("bob"), account("bank", kind="settlement"), *rows
    )

    assert again.outcomes[2:] == ["done", "done", "done"]
    assert bank.booked["bob"] == 4


async def test_nothing_is_booked_twice_when_all_keys_are_forgotten(bank, bring_in):
    """As by another API key: keys are one's own, ids are everybody's."""
    await bring_in(*BOOKS)
    versions = bank.versions
    bank.memory.state.receipts.clear()

    again = await bring_in(*BOOKS)

    assert set(again.outcomes) == {"already there", "nothing to do"}
    assert bank.versions == versions


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (account("alice", kind="income"), "Its kind is customer, the row says income."),
        (account("alice", external_id="x"), "Its external id is crm-1, the row says x."),
        (transfer("alice", "bob", 6, id="t1"), "Its movement of money is"),
        (transfer("bob", "alice", 5, id="t1"), "Its movement of money is"),
        (transfer("alice", "bob", 5, id="t1", value_date="2026-03-03"), "Its value date is"),
    ],
)
async def test_an_id_that_means_something_else_in_the_bank_is_refused(bring_in, row, says):
    await bring_in(*BOOKS, transfer("alice", "bob", 5, id="t1"))

    other = await bring_in(row)

    assert other.outcomes == ["refused"]
    assert says in other.rows[0].detail


async def test_batches_are_bounded_and_keep_their_order(bank, bring_in, monkeypatch):
    monkeypatch.setattr(run, "BATCH_ROWS_MAX", 2)

    brought = await bring_in(*BOOKS)

    assert [len(batch.commands) for batch in bank.batches] == [2, 2, 2, 2]
    assert bank.booked == AFTER
    assert brought.tally.wrong_total == 0


async def test_a_large_batch_is_sent_in_parts(bank, bring_in, monkeypatch):
    monkeypatch.setattr(run, "BATCH_BYTES_MAX", 300)

    await bring_in(*BOOKS)

    assert len(bank.batches) > 2
    assert bank.booked == AFTER


@pytest.mark.parametrize("page", [2, 500])
async def test_a_dry_run_decides_as_the_run_would_and_writes_nothing(
    bank, bring_in, monkeypatch, page
):
    monkeypatch.setattr(run, "BATCH_ROWS_MAX", page)
    rows = [
        *BOOKS,
        transfer("alice", "bob", "72.01"),
        transfer("alice", "nobody", 1),
        transfer("bob", "alice", "26.00"),
        transfer("bob", "alice", 1),
        account("alice", external_id="crm-1", metadata={"city": "Bern"}),
    ]

    dry = await bring_in(*rows, dry_run=True)

    assert bank.booked == {}
    assert bank.dry_runs == len(bank.batches)
    real = await bring_in(*rows)
    assert [(row.line, row.code) for row in dry.rows if row.code] == [
        (row.line, row.code) for row in real.rows if row.code
    ]
    assert dry.outcomes == real.outcomes


async def test_a_dry_run_of_a_file_that_is_in_says_so(bring_in):
    await bring_in(*BOOKS)

    dry = await bring_in(*BOOKS, dry_run=True)

    assert set(dry.outcomes) == {"already there", "nothing to do"}


async def test_a_dry_run_that_cannot_remember_all_says_that_it_cannot_tell(
    bring_in, monkeypatch
):
    monkeypatch.setattr(run, "BATCH_ROWS_MAX", 1)
    monkeypatch.setattr(rehearsal.Rehearsal.__init__, "__kwdefaults__", {"accounts_max": 1})

    dry = await bring_in(
        account("alice"), account("bob"), transfer("bob", "x", 1), dry_run=True
    )

    assert dry.outcomes == ["done", "done", "undecided"]
    assert dry.tally.wrong_total == 1


async def test_a_row_that_makes_its_batch_unreadable_is_found_and_left_out(bank, bring_in):
    def picky(body):
        places = [n for n, one in enumerate(body.commands) if getattr(one, "id", "") == "bob"]
        if not places:
            return None
        errors = [{"pointer": f"/commands/{n}/id", "code": "id_invalid"} for n in places]
        return problem(422, "schema_violation", errors=errors)

    bank.refuse = picky

    brought = await bring_in(account("alice"), account("bob"), account("carol"))

    assert brought.outcomes == ["done", "refused", "done"]
    assert brought.codes[1] == "id_invalid"


async def test_a_row_that_nobody_names_is_found_by_halves(bank, bring_in):
    def picky(body):
        is_there = any(getattr(one, "id", "") == "bob" for one in body.commands)
        return problem(413, "body_too_large") if is_there else None

    bank.refuse = picky

    brought = await bring_in(*(account(name) for name in ("a", "b", "bob", "c", "d")))

    assert brought.outcomes == ["done", "done", "refused", "done", "done"]
    assert brought.codes[2] == "body_too_large"


async def test_a_key_that_may_not_write_ends_the_run(bank, bring_in):
    bank.refuse = lambda _: problem(403, "insufficient_scope")

    with pytest.raises(Refused, match="insufficient_scope"):
        await bring_in(*BOOKS[:3])
