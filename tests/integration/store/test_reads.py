"""What the journal says when it is asked."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from chronos.auth.keys import LOOKUP_DEADLINE_S, new_key
from chronos.store.api_keys import open_key_office
from chronos.wire.codec import decode_event, event_hash
from tests.builders import attempt, open_account, transfer
from tests.journals import document


@pytest.fixture
async def reads(store, funded):
    for number in range(1, 6):
        moved = transfer("alice", "bob", number, transfer_id=f"trf_{number}")
        await funded.submit(attempt(moved, f"k{number}"))
    return store.reads


async def test_an_account_is_as_its_last_event_left_it(reads, funded):
    opening = open_account("carol", external_id="c-1", metadata={"tier": "gold"})
    await funded.submit(attempt(opening, "carol"))

    bob, carol = await reads.account("bob"), await reads.account("carol")

    assert bob is not None
    assert carol is not None
    assert (bob.state.version, bob.state.booked, bob.state.available) == (6, 15, 15)
    assert (carol.external_id, carol.metadata, carol.state.version) == (
        "c-1",
        {"tier": "gold"},
        1,
    )
    assert await reads.account("nobody") is None
    assert (await reads.is_known("bob"), await reads.is_known("nobody")) == (True, False)


async def test_balances_that_are_asked_for_together_are_each_their_own(reads, funded):
    names = ["bob", "alice", "nobody", "bob"]

    bob, alice, nobody, again = await asyncio.gather(*map(reads.balance, names))

    assert nobody is None
    assert bob == again
    for name, balance in (("bob", bob), ("alice", alice)):
        account = await reads.account(name)
        assert balance == (account.state, account.recorded_at)

    await funded.submit(attempt(transfer("alice", "bob", 7, transfer_id="next"), "next"))
    assert (await reads.balance("bob")).state.version == bob.state.version + 1


async def test_events_come_in_order_a_page_at_a_time(reads):
    first = await reads.events_of("bob", 0, 4)
    rest = await reads.events_of("bob", first[-1].version, 4)

    assert [event.version for event in (*first, *rest)] == [1, 2, 3, 4, 5, 6]
    assert await reads.events_of("bob", 6) == ()
    assert await reads.events_of("nobody", 0) == ()


async def test_a_page_of_events_is_bounded_in_bytes_too(reads):
    sizes = [len(event.body) for event in await reads.events_of("bob", 0)]

    for bytes_max, expected in [(1, 1), (sizes[0], 1), (sizes[0] + 1, 2), (sum(sizes[:3]), 3)]:
        page = await reads.events_of("bob", 0, bytes_max=bytes_max)
        assert [event.version for event in page] == list(range(1, expected + 1))


async def test_each_event_continues_the_chain_of_its_account(reads):
    previous = None
    for event in await reads.events_of("bob", 0):
        assert event.hash == event_hash(previous, event.body)
        assert decode_event(event.body).position == event.position
        previous = event.hash


async def test_one_event_is_found_by_its_version(reads):
    event = await reads.event_at("bob", 3)

    assert event is not None
    assert decode_event(event.body).event.transfer_id == "trf_2"
    assert await reads.event_at("bob", 99) is None


async def test_a_transfer_has_its_postings(reads):
    postings = await reads.postings_of("trf_4")

    assert [decode_event(p.body).event.amount for p in postings] == [-4, 4]
    assert await reads.postings_of("none") == ()


async def test_reads_wait_for_a_connection_and_take_turns(reads):
    answers = await asyncio.gather(*(reads.account("bob") for _ in range(50)))

    assert {answer.state.version for answer in answers} == {6}


async def test_a_preview_draws_no_position(store, funded, owner):
    before = await owner.fetchval("SELECT last_value FROM journal_position")

    receipt = await funded.preview(attempt(transfer("alice", "bob", 1, transfer_id="new"), ""))

    assert document(receipt)["position"] == 0
    assert await owner.fetchval("SELECT last_value FROM journal_position") == before
    assert store.journal.pending == 0


async def test_a_key_is_made_found_and_revoked(database, store):
    made = new_key(b"s" * 32)
    async with open_key_office(database.owner_dsn) as office:
        added = await office.add(made.key_id, made.hmac, principal="demo", scopes=["read"])
        found = await store.keys.find(made.key_id)
        is_revoked = await office.revoke(made.key_id)
        is_revoked_again = await office.revoke(made.key_id)

        assert found == added
        assert (is_revoked, is_revoked_again) == (True, False)
        assert [key.revoked_at is not None for key in await office.list()] == [True]
    assert await store.keys.find("none") is None


async def test_only_the_owner_makes_keys(database):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with open_key_office(database.writer_dsn) as office:
            await office.add("k", b"x" * 32, principal="demo", scopes=["read"])


async def test_a_key_is_looked_up_while_reads_hold_every_connection(store):
    async with store.pool.connection(), store.pool.connection():
        async with asyncio.timeout(LOOKUP_DEADLINE_S):
            assert await store.keys.find("nobodyskey00") is None
