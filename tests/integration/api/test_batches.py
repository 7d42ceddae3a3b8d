"""Batches over HTTP: in order, whole or item by item, once for each key."""

from __future__ import annotations

import concurrent.futures
import time
from typing import Any

from chronos.wire.batch import COMMANDS_MAX
from tests.integration.api.acts import customer, fresh
from tests.integration.api.answers import check_problem
from tests.integration.api.conftest import Bank
from tests.integration.api.wire import Answer, Door, new_key

LARGE_BATCH_S = 15
"""On a machine that runs other tests too; alone it takes less than one."""


def transfer(source: str, to: str, amount: int, **fields: Any) -> dict[str, Any]:
    body = {"type": "transfer", "from": source, "to": to, "amount": amount, "currency": "EUR"}
    return {**body, **fields}


def run(door: Door, *commands: dict[str, Any], atomic: bool = False, **others: Any) -> Any:
    body = {"atomic": atomic, "commands": commands}
    return door.made("/v1/batches", body, status=200, **others)


def booked(door: Door, account_id: str) -> int:
    amount: int = door.get(f"/v1/accounts/{account_id}").json["booked"]
    return amount


def statuses(batch: Any) -> list[int]:
    return [result["status"] for result in batch["results"]]


def a_life(account_id: str) -> list[dict[str, Any]]:
    """Every kind of command, each about what an earlier one of the batch made."""
    deposit, moved, held, entry = (fresh("x") for _ in range(4))
    pair = [{"account": account_id, "amount": -1}, {"account": "bank", "amount": 1}]
    place = {"type": "hold", "id": held, "account": account_id, "amount": 3, "currency": "EUR"}
    return [
        {"type": "open_account", "id": account_id, "currency": "EUR"},
        transfer("bank", account_id, 10, id=deposit),
        place,
        {"type": "capture", "id": held, "to": "bank", "transfer_id": moved, "amount": 2},
        {"type": "reverse", "id": moved},
        {"type": "entries", "id": entry, "currency": "EUR", "postings": pair},
        {"type": "reverse", "id": entry},
        {"type": "freeze", "id": account_id},
        {"type": "unfreeze", "id": account_id},
        {"type": "set_overdraft_limit", "id": account_id, "overdraft_limit": 5},
        {"type": "annotate", "id": account_id, "metadata": {"k": "v"}},
        {**place, "id": f"{held}-2"},
        {"type": "void", "id": f"{held}-2"},
        {"type": "reverse", "id": deposit},
        {"type": "close", "id": account_id},
    ]


def test_an_item_may_refer_to_what_an_earlier_one_made(bank: Bank) -> None:
    for atomic in (False, True):
        account_id = fresh("life")
        commands = a_life(account_id)

        batch = run(bank.door, *commands, atomic=atomic)

        created = {"open_account", "transfer", "hold", "reverse", "entries"}
        expected = [201 if one["type"] in created else 200 for one in commands]
        assert statuses(batch) == expected, batch["results"]
        assert batch["atomic"] is atomic
        assert bank.door.get(f"/v1/accounts/{account_id}").json["status"] == "closed"


def test_each_result_is_what_the_command_alone_would_have_answered(bank: Bank) -> None:
    door = bank.door
    payer = customer(door, 100)

    batch = run(door, transfer(payer, "bob", 1), transfer(payer, "bob", 1000))

    granted, refused = batch["results"]
    assert granted["location"] == f"/v1/transfers/{granted['body']['id']}"
    assert granted["body"].keys() == door.transfer(payer, "bob", 1).json.keys()
    assert refused["body"]["code"] == "insufficient_funds"
    assert refused["body"]["type"] == "urn:chronos:problem:insufficient_funds"
    assert refused["location"] is None
    assert not granted["replayed"]
    assert batch["accounts"] == granted["body"]["accounts"]
    assert batch["position"] == granted["body"]["position"]


def test_without_atomicity_a_refusal_stops_nothing(bank: Bank) -> None:
    door = bank.door
    payer = customer(door, 10)

    batch = run(
        door, transfer(payer, "bob", 6), transfer(payer, "bob", 6), transfer(payer, "bob", 4)
    )

    assert statuses(batch) == [201, 409, 201]
    assert booked(door, payer) == 0


def test_an_atomic_batch_with_a_refusal_leaves_nothing_but_its_refusal(bank: Bank) -> None:
    door = bank.door
    payer, key = customer(door, 10), new_key()
    events, outbox, receipts, accounts = bank.counts()
    commands = [transfer(payer, "bob", 6), transfer(payer, "bob", 6), transfer(payer, "bob", 4)]

    answer = door.post("/v1/batches", {"atomic": True, "commands": commands}, key=key)

    check_problem(answer, 409, "batch_rejected")
    assert answer.json["index"] == 1
    assert answer.json["refusal"]["code"] == "insufficient_funds"
    assert bank.counts() == (events, outbox + 1, receipts + 1, accounts)
    assert booked(door, payer) == 10
    assert door.transfer("bank", payer, 10).status == 201
    retry = door.post("/v1/batches", {"atomic": True, "commands": commands}, key=key)
    assert (retry.status, retry.body) == (409, answer.body)
    assert retry.headers["idempotent-replayed"] == "true"


def test_a_batch_without_any_grant_has_a_position_of_its_own(bank: Bank) -> None:
    key = new_key()
    commands = {"commands": [transfer("nobody", "bob", 1)]}

    first = bank.door.post("/v1/batches", commands, key=key)
    retry = bank.door.post("/v1/batches", commands, key=key)

    assert first.status == 200
    assert first.json["accounts"] == {}
    assert first.json["position"] > 0
    assert retry.body == first.body


def test_the_key_of_an_item_is_done_once_in_whichever_batch_it_comes(bank: Bank) -> None:
    door = bank.door
    payer, key = customer(door, 10), new_key()
    item = transfer(payer, "bob", 4, idempotency_key=key)

    first = run(door, item)["results"][0]
    other = run(door, transfer(payer, "bob", 1), item)["results"][1]
    changed = run(door, {**item, "amount": 5})["results"][0]

    assert not first["replayed"]
    assert other == {**first, "replayed": True}
    assert (changed["status"], changed["body"]["code"]) == (422, "idempotency_key_reused")
    assert booked(door, payer) == 5


def test_the_same_key_twice_in_a_batch_is_one_command(bank: Bank) -> None:
    door = bank.door
    payer = customer(door, 10)
    item = transfer(payer, "bob", 4, idempotency_key=new_key())

    same, other = run(door, item, item)["results"], run(door, item, {**item, "amount": 5})

    assert [result["replayed"] for result in same] == [False, True]
    assert same[0]["body"] == same[1]["body"]
    assert statuses(other) == [201, 422]
    assert booked(door, payer) == 6


def test_a_key_of_an_item_is_no_key_of_a_request_and_the_other_way_round(bank: Bank) -> None:
    door = bank.door
    payer, item_key, request_key = customer(door, 10), new_key(), new_key()
    run(door, transfer(payer, "bob", 1, idempotency_key=item_key))
    assert door.transfer(payer, "bob", 1, key=request_key).status == 201

    as_request = door.transfer(payer, "bob", 1, key=item_key)
    as_item = run(door, transfer(payer, "bob", 1, idempotency_key=request_key))["results"][0]

    check_problem(as_request, 422, "idempotency_key_reused")
    assert as_item["body"]["code"] == "idempotency_key_reused"


def test_a_refused_item_stays_refused_under_its_key(bank: Bank) -> None:
    door = bank.door
    payer = customer(door)
    item = transfer(payer, "bob", 4, idempotency_key=new_key())
    first = run(door, item)["results"][0]
    assert door.transfer("bank", payer, 10).status == 201

    retry = run(door, item)["results"][0]

    assert (first["status"], retry["status"]) == (409, 409)
    assert retry["body"] == first["body"]


def test_one_item_in_two_batches_at_once_is_done_once(bank: Bank) -> None:
    door = bank.door
    for _ in range(10):
        payer = customer(door, 10)
        item = transfer(payer, "bob", 4, idempotency_key=new_key())

        def send(number: int, item: dict[str, Any] = item) -> Answer:
            own = {"type": "open_account", "id": fresh(f"race{number}"), "currency": "EUR"}
            return door.post("/v1/batches", {"commands": [own, item]})

        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(send, range(8)))

        assert booked(door, payer) == 6
        results = [answer.json["results"][1] for answer in answers if answer.status == 200]
        assert sum(not result["replayed"] for result in results) == 1
        assert len({str(result["body"]) for result in results}) == 1
        for answer in answers:
            if answer.status != 200:
                check_problem(answer, 409, "idempotency_in_progress")


def test_a_dry_run_decides_each_item_on_the_ones_before_it(bank: Bank) -> None:
    door = bank.door
    payer = customer(door, 10)
    counts = bank.counts()
    commands = [transfer(payer, "bob", 6), transfer(payer, "bob", 6)]

    plain = door.post("/v1/batches?dry_run=true", {"commands": commands})
    atomic = door.post("/v1/batches?dry_run=true", {"commands": commands, "atomic": True})

    assert statuses(plain.json) == [201, 409]
    assert plain.json["accounts"][payer]["booked"] == 4
    check_problem(atomic, 409, "batch_rejected")
    assert bank.counts() == counts


def test_a_thousand_transfers_are_one_batch_and_one_transaction(bank: Bank) -> None:
    door = bank.door
    payer = customer(door, COMMANDS_MAX)
    commands = [transfer(payer, "bob", 1, metadata={"n": str(n)}) for n in range(COMMANDS_MAX)]

    started_s = time.monotonic()
    batch = run(door, *commands, atomic=True)
    took_s = time.monotonic() - started_s

    assert set(statuses(batch)) == {201}
    assert booked(door, payer) == 0
    assert took_s < LARGE_BATCH_S
    ((transactions,),) = bank.inspector.fetch(
        "SELECT count(DISTINCT xmin::text) FROM events WHERE account_id = $1 AND version > 2",
        payer,
    )
    assert transactions == 1


def test_a_large_batch_is_retried_with_the_same_bytes(bank: Bank) -> None:
    door = bank.door
    payer, key = customer(door, 300), new_key()
    body = {"commands": [transfer(payer, "bob", 1)] * 300}
    first = door.post("/v1/batches", body, key=key)

    retry = door.post("/v1/batches", body, key=key)

    assert first.status == retry.status == 200
    assert retry.body == first.body
    assert booked(door, payer) == 0
