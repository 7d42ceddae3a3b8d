"""Bad input against the real server and database: a clear problem, and no side effect."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from chronos.api.table import COMMANDS
from chronos.wire.batch import ITEM_SHAPES
from tests.integration.api.answers import check_problem
from tests.integration.api.conftest import Bank
from tests.integration.api.inputs import addresses, batches, bodies, fields, headers, refusals
from tests.integration.api.inputs.row import SPECIMENS, Row
from tests.integration.api.inputs.subjects import ELSEWHERE, LATER, SUBJECTS
from tests.integration.api.inputs.world import furnish
from tests.integration.api.wire import new_key

ROOT = Path(__file__).resolve().parents[3]
ROWS = [
    *bodies.rows(),
    *headers.rows(),
    *addresses.rows(),
    *fields.rows(),
    *batches.rows(),
    *refusals.rows(),
]


@pytest.fixture(scope="module")
def furnished(bank: Bank) -> Bank:
    """A bank with one of everything that a request can be refused about."""
    furnish(bank.door)
    return bank


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.number}: {row.name}")
def test_a_bad_request_gets_its_problem_and_changes_nothing(furnished: Bank, row: Row) -> None:
    bank = furnished
    events, outbox, receipts, accounts = bank.counts()
    headers_sent = dict(row.headers)
    if row.method == "POST":
        headers_sent.setdefault("Idempotency-Key", new_key())

    answer = bank.door.ask(row.method, row.path, headers=headers_sent, body=row.body)

    check_problem(answer, row.status, row.code)
    for name in row.answer_headers:
        assert answer.headers[name]
    if row.pointer is not None:
        assert answer.json["errors"][0]["pointer"] == row.pointer
    if row.inner_code is not None:
        assert answer.json["errors"][0]["code"] == row.inner_code
    grown = (events, outbox + row.published, receipts + row.stored, accounts)
    assert bank.counts() == grown


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.stored], ids=lambda row: f"{row.number}: {row.name}"
)
def test_a_dry_run_refuses_as_the_command_would_and_keeps_nothing(
    furnished: Bank, row: Row
) -> None:
    counts = furnished.counts()
    headers_sent = {**row.headers, "Idempotency-Key": None}

    answer = furnished.door.ask(
        "POST", f"{row.path}?dry_run=true", headers=headers_sent, body=row.body
    )

    check_problem(answer, row.status, row.code)
    assert furnished.counts() == counts


def test_every_subject_is_tested_here_or_where_it_is_said_to_be() -> None:
    shown = {row.number for row in ROWS} | ELSEWHERE.keys()

    assert SUBJECTS.keys() == set(range(1, 60))
    assert SUBJECTS.keys() - shown == LATER.keys()
    for places in ELSEWHERE.values():
        for place in places:
            path, _, name = place.partition("::")
            assert name in functions_in(ROOT / path), place


def test_every_command_and_every_field_of_it_has_its_bad_inputs() -> None:
    assert SPECIMENS.keys() == {route.path for route in COMMANDS}
    for path in SPECIMENS:
        assert {name for name, _ in fields.fields_of(path)} <= fields.KINDS.keys()
    assert {item["type"] for item in batches.ITEMS} == ITEM_SHAPES.keys()


def functions_in(path: Path) -> set[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {
        node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)
    }
