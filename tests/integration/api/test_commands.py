"""What every command has in common: its answer, its retry, its dry run, its key."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from chronos.api.table import COMMANDS
from tests.integration.api.acts import ACTS, OPTIONAL_BODIES, furnish
from tests.integration.api.answers import check_problem
from tests.integration.api.conftest import Bank
from tests.integration.api.wire import new_key

each_command = pytest.mark.parametrize("route", ACTS)


@pytest.fixture(scope="module")
def furnished(bank: Bank) -> Iterator[Bank]:
    furnish(bank.door)
    yield bank
    books = bank.door.get("/v1/trial-balance").json
    assert books["balanced"] is True


def test_every_command_of_the_table_is_tried_here() -> None:
    assert ACTS.keys() == {route.path for route in COMMANDS}
    assert set(OPTIONAL_BODIES) == {route.path for route in COMMANDS if route.body_optional}


@each_command
def test_an_answer_says_where_its_accounts_stand_after_it(furnished: Bank, route: str) -> None:
    bank = furnished
    act = ACTS[route](bank.door)

    answer = act.send(bank.door)

    assert answer.status == act.status, answer.json
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers.get("location") == act.location
    assert "idempotent-replayed" not in answer.headers
    assert tuple(answer.json["accounts"]) == act.accounts
    ((position,),) = bank.inspector.fetch("SELECT max(position) FROM events")
    assert answer.json["position"] == position
    for account_id, balances in answer.json["accounts"].items():
        shown = bank.door.get(f"/v1/accounts/{account_id}").json
        assert balances == {name: shown[name] for name in balances}
        assert balances.keys() == {"version", "booked", "held", "available"}


@each_command
def test_a_retry_gets_the_same_bytes_and_nothing_happens_twice(
    furnished: Bank, route: str
) -> None:
    bank = furnished
    act, key = ACTS[route](bank.door), new_key()
    first = act.send(bank.door, key=key)
    counts = bank.counts()

    retry = act.send(bank.door, key=key)

    assert (retry.status, retry.body) == (act.status, first.body)
    assert retry.headers.get("location") == act.location
    assert retry.headers["idempotent-replayed"] == "true"
    assert retry.headers["x-request-id"] != first.headers["x-request-id"]
    assert bank.counts() == counts


@each_command
def test_a_dry_run_tells_the_outcome_and_writes_nothing(furnished: Bank, route: str) -> None:
    bank = furnished
    act = ACTS[route](bank.door)
    counts = bank.counts()

    preview = act.preview(bank.door, Idempotency_Key=None)
    after_preview = bank.counts()
    answer = act.send(bank.door)

    assert preview.status == 200, preview.json
    assert "location" not in preview.headers
    assert after_preview == counts
    assert preview.json.keys() == answer.json.keys()
    if route != "/v1/batches":
        assert preview.json["position"] == 0
    for name in ("accounts", "id", "postings", "amount", "booked", "available"):
        assert preview.json.get(name) == answer.json.get(name)


def test_a_dry_run_does_not_use_up_a_key(furnished: Bank) -> None:
    act, key = ACTS["/v1/transfers"](furnished.door), new_key()

    assert act.preview(furnished.door, Idempotency_Key=key).status == 200
    answer = act.send(furnished.door, key=key)

    assert answer.status == 201
    assert "idempotent-replayed" not in answer.headers


def test_a_dry_run_with_the_key_of_a_command_that_was_done_is_still_decided_anew(
    furnished: Bank,
) -> None:
    act, key = ACTS["/v1/transfers"](furnished.door), new_key()
    assert act.send(furnished.door, key=key).status == 201

    again = act.preview(furnished.door, Idempotency_Key=key)

    check_problem(again, 409, "transfer_exists")


@each_command
def test_a_key_is_of_one_route_only(furnished: Bank, route: str) -> None:
    bank = furnished
    act, key = ACTS[route](bank.door), new_key()
    other = ACTS["/v1/holds" if route == "/v1/transfers" else "/v1/transfers"](bank.door)
    assert act.send(bank.door, key=key).status == act.status
    counts = bank.counts()

    check_problem(other.send(bank.door, key=key), 422, "idempotency_key_reused")
    assert bank.counts() == counts


@each_command
def test_a_key_is_of_one_meaning_only(furnished: Bank, route: str) -> None:
    bank = furnished
    act, key = ACTS[route](bank.door), new_key()
    assert act.send(bank.door, key=key).status == act.status
    changed = {**act.fields, "description": "another"}
    if route == "/v1/accounts":
        changed = {**act.fields, "overdraft_limit": 1}
    if route == "/v1/batches":
        changed = {**act.fields, "atomic": False}

    answer = bank.door.post(act.path, changed, key=key)

    check_problem(answer, 422, "idempotency_key_reused")


@pytest.mark.parametrize("route", [route for route in ACTS if "{id}" in route])
def test_a_key_is_of_one_subject_only(furnished: Bank, route: str) -> None:
    bank = furnished
    first, second, key = ACTS[route](bank.door), ACTS[route](bank.door), new_key()
    assert first.send(bank.door, key=key).status == first.status

    answer = bank.door.post(second.path, first.fields, key=key)

    check_problem(answer, 422, "idempotency_key_reused")


@each_command
def test_what_is_left_out_and_what_is_null_mean_the_same(furnished: Bank, route: str) -> None:
    bank = furnished
    act, key = ACTS[route](bank.door), new_key()
    nothing = {} if route == "/v1/batches" else {"description": None}
    if route == "/v1/accounts":
        nothing = {"metadata": None, "opened_on": None}
    first = act.send(bank.door, key=key)
    turned = dict(reversed((act.fields | nothing).items()))
    raw = json.dumps(turned, indent=3).encode()

    retry = bank.door.post(act.path, raw, key=key)

    assert (retry.status, retry.body) == (act.status, first.body), retry.json


@pytest.mark.parametrize("route", OPTIONAL_BODIES)
def test_a_body_that_says_nothing_may_be_left_out(furnished: Bank, route: str) -> None:
    bank = furnished
    act, key = ACTS[route](bank.door), new_key()

    bare = bank.door.ask(
        "POST",
        act.path,
        body=b"",
        headers={"Idempotency-Key": key, "Content-Type": None, "Content-Length": None},
    )
    retry = bank.door.post(act.path, {}, key=key)

    assert bare.status == act.status, bare.json
    assert (retry.status, retry.body) == (act.status, bare.body)


@pytest.mark.parametrize("route", [route for route in ACTS if route not in OPTIONAL_BODIES])
def test_a_body_that_says_something_may_not_be_left_out(furnished: Bank, route: str) -> None:
    act = ACTS[route](furnished.door)

    check_problem(furnished.door.post(act.path, b""), 400, "malformed_json")


@each_command
def test_a_reader_may_neither_do_nor_preview(furnished: Bank, route: str) -> None:
    act = ACTS[route](furnished.door)
    counts = furnished.counts()

    check_problem(act.send(furnished.reader), 403, "insufficient_scope")
    check_problem(act.preview(furnished.reader), 403, "insufficient_scope")
    assert furnished.counts() == counts


@pytest.mark.parametrize(
    ("route", "left_out", "prefix"),
    [
        ("/v1/accounts", "id", "acc_"),
        ("/v1/transfers", "id", "trf_"),
        ("/v1/entries", "id", "trf_"),
        ("/v1/exchanges", "id", "trf_"),
        ("/v1/transfers/{id}/reverse", "transfer_id", "trf_"),
        ("/v1/holds", "id", "hld_"),
    ],
)
def test_an_id_that_is_left_out_is_made(
    furnished: Bank, route: str, left_out: str, prefix: str
) -> None:
    act = ACTS[route](furnished.door)
    fields = {name: value for name, value in act.fields.items() if name != left_out}

    made = furnished.door.post(act.path, fields)

    assert made.status == 201, made.json
    assert made.json["id"].startswith(prefix)
    assert made.headers["location"].endswith("/" + made.json["id"])
    assert furnished.door.get(made.headers["location"]).json["id"] == made.json["id"]
