"""The client against a small HTTP server that misbehaves on demand."""

from dataclasses import replace

import pytest
from aiohttp import web

from chronos.client.codes import Code
from chronos.client.refusals import BrokenOff, Refused, UnreadableAnswer
from chronos.errors import DeadlineExceeded
from tests.unit.client.samples import BALANCE, ENTRY
from tests.unit.client.served import (
    QUICK,
    RECEIPT,
    Scripted,
    balance,
    cut,
    hang,
    receipt,
    refuse,
    replay,
)


async def test_a_broken_line_and_a_503_are_asked_again_with_the_same_key_and_body(serve):
    script = Scripted(cut, refuse(503, "unavailable"), replay)
    client = await serve(script)

    done = await client.transfers.make("alice", "bob", amount=500, currency="EUR")

    assert done.replayed
    assert len(script.keys) == 3
    assert len(set(script.keys)) == len(set(script.bodies)) == 1
    assert client.attempts_repeated == 2


async def test_a_server_that_does_not_answer_is_asked_again_with_the_same_key(serve):
    script = Scripted(hang, replay)
    client = await serve(script, patience=replace(QUICK, attempt_s=0.2))

    done = await client.transfers.make("alice", "bob", amount=500, currency="EUR")

    assert done.replayed
    assert len(script.keys) >= 2
    assert len(set(script.keys)) == 1


async def test_a_refusal_is_raised_at_once_with_its_code(serve):
    script = Scripted(refuse(409, "insufficient_funds"))
    client = await serve(script)

    with pytest.raises(Refused, match=r"It said no \[insufficient_funds\]") as caught:
        await client.transfers.make("alice", "bob", amount=500, currency="EUR", key="k1")

    assert (caught.value.status, caught.value.code) == (409, "insufficient_funds")
    assert script.keys == ["k1"]


async def test_a_key_still_in_progress_is_asked_again(serve):
    running = refuse(409, "idempotency_in_progress", retryable=True)
    client = await serve(Scripted(running, receipt))

    done = await client.transfers.make("alice", "bob", amount=500, currency="EUR")

    assert (done.source, done.destination, done.accounts["bob"].version) == ("alice", "bob", 3)


async def test_a_server_that_never_recovers_ends_at_the_deadline(serve):
    client = await serve(Scripted(refuse(503, "unavailable")))

    with pytest.raises(DeadlineExceeded, match="unavailable"):
        await client.views.balance("alice", deadline_s=0.05)


async def test_a_read_carries_the_version_that_the_write_answered(serve):
    script = Scripted(receipt, balance)
    client = await serve(script, read_your_writes=True)

    await client.transfers.make("alice", "bob", amount=500, currency="EUR")
    await client.views.balance("alice")

    assert script.queries[-1] == {"min_version": "7"}


async def test_a_read_asks_for_no_version_unless_told(serve):
    script = Scripted(receipt, balance)
    client = await serve(script)

    await client.transfers.make("alice", "bob", amount=500, currency="EUR")
    await client.views.balance("alice")

    assert script.queries[-1] == {}


async def test_an_answer_without_its_fields_is_an_error_and_not_a_default(serve):
    async def empty(_: web.Request) -> web.Response:
        return web.json_response({"account": "alice"})

    client = await serve(Scripted(empty))

    with pytest.raises(UnreadableAnswer):
        await client.views.balance("alice")


async def test_every_view_of_an_account_waits_for_what_the_client_wrote(serve):
    async def empty(request: web.Request) -> web.Response:
        if request.path.endswith("/entries"):
            page = {"next": None, "has_more": False}
            shown = {"account": "alice", "version": 7, "data": [], "page": page}
        else:
            shown = {**BALANCE, "data": []}
        return web.json_response(shown)

    script = Scripted(receipt, empty)
    client = await serve(script, read_your_writes=True)

    await client.transfers.make("alice", "bob", amount=500, currency="EUR")
    await client.views.holds("bob")
    await client.views.entries("alice").page()
    await client.views.entries("carol").page()

    assert script.queries[1:] == [{"min_version": "3"}, {"min_version": "7"}, {}]


async def test_a_read_never_waits_for_what_a_dry_run_showed(serve):
    script = Scripted(receipt, balance)
    client = await serve(script, read_your_writes=True)

    await client.transfers.make("alice", "bob", amount=500, currency="EUR", dry_run=True)
    await client.views.balance("alice")

    assert script.queries == [{"dry_run": "true"}, {}]
    assert script.keys[0] is None


async def test_a_list_is_read_page_by_page_and_not_before_it_is_gone_through(serve):
    def page(following: str | None, *ids: str):
        async def step(_: web.Request) -> web.Response:
            info = {"next": following, "has_more": following is not None}
            return web.json_response({"data": [ENTRY | {"id": i} for i in ids], "page": info})

        return step

    script = Scripted(page("c1", "t3", "t2"), page("c2"), page(None, "t1"))
    client = await serve(script)

    listing = client.views.transfers(account="alice", limit=2)
    assert script.queries == []
    found = [entry.id async for entry in listing]

    assert found == ["t3", "t2", "t1"]
    asked = {"account": "alice", "limit": "2"}
    assert script.queries == [asked, asked | {"cursor": "c1"}, asked | {"cursor": "c2"}]


async def test_each_command_of_a_batch_has_a_receipt_or_a_refusal(serve):
    async def executed(_: web.Request) -> web.Response:
        refusal = {"status": 409, "code": "insufficient_funds", "detail": "Too little."}
        results = [
            {"status": 409, "replayed": False, "location": None, "body": refusal},
            {
                "status": 201,
                "replayed": True,
                "location": "/v1/transfers/trf_1",
                "body": RECEIPT,
            },
        ]
        document = {"atomic": False, "results": results, "position": 9, "accounts": {}}
        return web.json_response(document)

    client = await serve(Scripted(executed))
    pay = {"type": "transfer", "from": "alice", "to": "bob", "amount": 500, "currency": "EUR"}

    batch = await client.batches.run([pay, pay])

    first, second = batch.results
    assert (first.receipt, first.refusal.code) == (None, Code.INSUFFICIENT_FUNDS)
    assert (second.refusal, second.receipt.amount, second.replayed) == (None, 500, True)


async def test_results_that_are_not_those_of_the_commands_are_an_error(serve):
    async def executed(_: web.Request) -> web.Response:
        document = {"atomic": False, "results": [], "position": 9, "accounts": {}}
        return web.json_response(document)

    client = await serve(Scripted(executed))

    with pytest.raises(UnreadableAnswer, match="0 results to 1 commands"):
        await client.batches.run([{"type": "close", "id": "alice"}])


async def test_an_atomic_batch_that_is_refused_names_the_command_and_why(serve):
    refusal = {"status": 409, "code": "account_frozen", "detail": "It is frozen."}
    client = await serve(Scripted(refuse(409, "batch_rejected", index=3, refusal=refusal)))

    with pytest.raises(Refused) as caught:
        await client.batches.run([{"type": "close", "id": "alice"}], atomic=True)

    assert caught.value.problem.index == 3
    assert caught.value.problem.refusal.code == "account_frozen"


async def test_a_code_that_a_newer_server_made_stays_readable(serve):
    client = await serve(Scripted(refuse(409, "moon_phase_wrong")))

    with pytest.raises(Refused) as caught:
        await client.accounts.close("alice")

    assert caught.value.code == "moon_phase_wrong"


async def test_a_download_that_breaks_off_is_no_whole_one(serve):
    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        request.transport.close()
        return response

    client = await serve(Scripted(half))

    async with client.accounts.download_statement("alice", form="csv") as pieces:
        assert await anext(pieces) == b"half"
        with pytest.raises(BrokenOff):
            await anext(pieces)


async def test_a_download_is_asked_again_until_it_begins(serve):
    async def whole(_: web.Request) -> web.Response:
        return web.Response(body=b"a,b\r\n", content_type="text/csv")

    script = Scripted(cut, refuse(503, "unavailable"), whole)
    client = await serve(script)

    async with client.accounts.download_statement("alice", form="csv") as pieces:
        text = b"".join([piece async for piece in pieces])

    assert text == b"a,b\r\n"
    assert script.requests[-1].headers["Accept"] == "text/csv"
    assert script.queries[-1] == {"format": "csv"}
