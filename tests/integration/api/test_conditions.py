"""Commands on a condition: the version that their sender believes an account to have."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.api.acts import ACTS, Act, customer, furnish, hold
from tests.integration.api.answers import check_problem
from tests.integration.api.conftest import Bank
from tests.integration.api.wire import Answer, Door, new_key

VERBS = [route for route in ACTS if route.startswith("/v1/accounts/{id}/")]
WITH_VERSIONS = [
    "/v1/transfers",
    "/v1/entries",
    "/v1/exchanges",
    "/v1/transfers/{id}/reverse",
    "/v1/holds",
    "/v1/holds/{id}/capture",
    "/v1/holds/{id}/void",
]


@pytest.fixture(scope="module")
def furnished(bank: Bank) -> Bank:
    furnish(bank.door)
    return bank


def version(door: Door, account_id: str) -> int:
    shown: int = door.get(f"/v1/accounts/{account_id}").json["version"]
    return shown


@pytest.mark.parametrize("route", VERBS)
def test_the_etag_of_an_account_is_the_condition_of_its_verbs(
    furnished: Bank, route: str
) -> None:
    door = furnished.door
    act = ACTS[route](door)
    etag = door.get(f"/v1/accounts/{act.accounts[0]}").headers["etag"]

    granted = act.send(door, If_Match=etag)
    stale = act.send(door, If_Match=etag)

    assert granted.status == 200, granted.json
    check_problem(stale, 412, "version_conflict")


@pytest.mark.parametrize("route", VERBS)
def test_any_version_will_do_for_a_star(furnished: Bank, route: str) -> None:
    act = ACTS[route](furnished.door)

    assert act.send(furnished.door, If_Match="*").status == 200


def test_a_condition_is_part_of_what_a_request_means(furnished: Bank) -> None:
    door = furnished.door
    act, key = ACTS["/v1/accounts/{id}/metadata"](door), new_key()
    first = act.send(door, key=key, If_Match='"1"')

    retry = act.send(door, key=key, If_Match='"1"')
    without = act.send(door, key=key)
    another = act.send(door, key=key, If_Match='"2"')

    assert (retry.status, retry.body) == (200, first.body)
    check_problem(without, 422, "idempotency_key_reused")
    check_problem(another, 422, "idempotency_key_reused")


def test_a_refusal_for_a_version_stays_when_the_version_comes(furnished: Bank) -> None:
    door = furnished.door
    act, key = ACTS["/v1/accounts/{id}/metadata"](door), new_key()
    early = act.send(door, key=key, If_Match='"2"')
    assert act.send(door).status == 200
    assert version(door, act.accounts[0]) == 2

    late = act.send(door, key=key, If_Match='"2"')

    check_problem(early, 412, "version_conflict")
    assert (late.status, late.body) == (412, early.body)
    assert late.headers["idempotent-replayed"] == "true"


def test_two_conditions_in_two_headers_are_none(furnished: Bank) -> None:
    door = furnished.door
    act = ACTS["/v1/accounts/{id}/freeze"](door)

    answer = act.send(door, If_Match='"1"\r\nIf-Match: "1"')

    check_problem(answer, 400, "if_match_invalid")


def test_a_reading_takes_no_condition_to_heart(furnished: Bank) -> None:
    assert furnished.door.get("/v1/accounts/alice", If_Match='"999"').status == 200


@pytest.mark.parametrize("route", WITH_VERSIONS)
def test_expected_versions_hold_for_every_account_of_a_command(
    furnished: Bank, route: str
) -> None:
    door = furnished.door
    act = ACTS[route](door)
    versions = {account: version(door, account) for account in act.accounts}

    for account in act.accounts:
        wrong = {**versions, account: versions[account] + 1}
        check_problem(_on(door, act, wrong), 412, "version_conflict")
    answer = _on(door, act, versions)

    assert answer.status == act.status, answer.json


@pytest.mark.parametrize("route", WITH_VERSIONS)
def test_a_version_of_an_account_that_takes_no_part_is_refused(
    furnished: Bank, route: str
) -> None:
    act = ACTS[route](furnished.door)

    answer = _on(furnished.door, act, {"alice": version(furnished.door, "alice")})

    assert answer.status in (412, 422), answer.json
    assert answer.json["errors"][0]["pointer"] == "/expected_versions/alice"


def test_an_item_of_a_batch_expects_the_version_that_the_item_before_it_leaves(
    furnished: Bank,
) -> None:
    door = furnished.door
    account = customer(door, 10)
    verbs: list[dict[str, Any]] = [
        {"type": "freeze", "id": account, "expected_version": 2},
        {"type": "unfreeze", "id": account, "expected_version": 3},
        {"type": "annotate", "id": account, "metadata": {}, "expected_version": 3},
    ]

    results = door.made("/v1/batches", {"commands": verbs}, status=200)["results"]

    assert [result["status"] for result in results] == [200, 200, 412]


def test_a_hold_is_voided_at_the_version_of_its_account(furnished: Bank) -> None:
    door = furnished.door
    account = customer(door, 10)
    path = f"/v1/holds/{hold(door, account, 5)}/void"

    stale = door.post(path, {"expected_versions": {account: 2}})
    granted = door.post(path, {"expected_versions": {account: 3}})

    check_problem(stale, 412, "version_conflict")
    assert granted.status == 200


def _on(door: Door, act: Act, versions: dict[str, int]) -> Answer:
    return door.post(act.path, {**act.fields, "expected_versions": versions})
