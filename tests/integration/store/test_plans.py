"""Plans made while the tables are empty, and kept: each must be made of look-ups alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from chronos.store.moments import _AT, _BY_VALUE, _LINES, _PERIOD
from chronos.store.pool import LOOKUPS_ONLY
from chronos.store.reads import _BALANCES, _HEAD, _HOLD, _POSTINGS
from chronos.store.references import READ_REFERENCES
from chronos.store.statements import READ_FOUND

JOURNAL = {"events", "accounts", "receipts"}
STATEMENTS = {
    "what a transaction reads": (
        READ_FOUND,
        "2, '{a}', '{t}', '{x}', '{p}', '{k}', '{h}', '{r}', '{a}'",
    ),
    "what a command refers to": (READ_REFERENCES, "'{t}', '{h}', '{a}', '{EUR}'"),
    "an account": (_HEAD, "'a'"),
    "balances": (_BALANCES, "'{a,b}'"),
    "a hold": (_HOLD, "'h'"),
    "a transfer": (_POSTINGS, "'t'"),
    "a balance at a moment": (_AT, "'a', now(), '5 s'"),
    "a balance for a day": (_BY_VALUE, "'a', now()"),
    "the bounds of a statement": (_PERIOD, "'a', now(), now()"),
    "the lines of a statement": (_LINES, "'a', 1, 2, 3, 4"),
}


def scans(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if node.get("Relation Name") in JOURNAL:
        yield node
    for child in node.get("Plans", ()):
        yield from scans(child)


@pytest.mark.parametrize("name", STATEMENTS)
async def test_a_statement_looks_up_and_never_walks(database, name):
    statement, arguments = STATEMENTS[name]
    connection = await asyncpg.connect(database.writer_dsn, server_settings=dict(LOOKUPS_ONLY))
    try:
        await connection.execute(f"PREPARE wanted AS {statement}")
        plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE wanted ({arguments})")
    finally:
        await connection.close()

    found = list(scans(json.loads(plan)[0]["Plan"]))
    assert found
    assert [scan for scan in found if "Index Cond" not in scan] == []
