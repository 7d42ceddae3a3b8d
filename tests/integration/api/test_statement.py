"""A statement from the real journal: sums, bounds and days, and connections given back."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate, cycle, pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest

from chronos.domain.chart import AccountKind
from tests.builders import open_account, transfer
from tests.databases import Database, _run
from tests.integration.api.running import (
    Inspector,
    RunningApi,
    make_key,
    running_api,
    wait_until,
)
from tests.integration.api.wire import Door, connect
from tests.past import Past

ZONE = "America/New_York"
WINTER = timedelta(hours=5)
TICK = timedelta(microseconds=1)
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC) + WINTER
"""Where 2 March begins in New York."""
LONG = 3000
HEAL_S = 20


@pytest.fixture(scope="module")
def filled(own_database: Database) -> Database:
    """A database with transfers around midnight in New York, and one long account."""
    _run(_fill(own_database))
    return own_database


async def _fill(database: Database) -> None:
    owner = await asyncpg.connect(database.owner_dsn)
    try:
        past = Past(owner)
        opened = MIDNIGHT - timedelta(days=40)
        await past.book(
            opened,
            open_account("bank", kind=AccountKind.SETTLEMENT),
            open_account("ann"),
            open_account("long"),
            open_account("idle"),
        )
        moments = [MIDNIGHT - TICK, MIDNIGHT, MIDNIGHT + timedelta(days=1) - TICK]
        moments.append(MIDNIGHT + timedelta(days=1))
        for number, moment in enumerate(moments):
            amount = 10**number
            text = f'=cmd|"{number}"'
            name = f"ann_{number}"
            moved = transfer("bank", "ann", amount, transfer_id=name, description=text)
            await past.book(moment, moved)
        pairs = cycle([("bank", "long"), ("bank", "long"), ("long", "bank")])
        transfers = [
            transfer(*next(pairs), 3 + number % 2 * 2, transfer_id=f"long_{number}")
            for number in range(LONG)
        ]
        for start in range(0, LONG, 400):
            moment = MIDNIGHT + timedelta(days=2, seconds=start)
            await past.book(moment, *transfers[start : start + 400])
    finally:
        await owner.close(timeout=5)


@pytest.fixture(scope="module")
def api(filled: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    folder: Path = tmp_path_factory.mktemp("statement")
    with running_api(
        filled, folder, time_zone=ZONE, reader_connections_max=2, send_deadline_s=2
    ) as running:
        yield running
        assert running.stop() == 0
        assert "internal_error" not in running.log.read_text()


@pytest.fixture(scope="module")
def door(api: RunningApi, filled: Database) -> Door:
    return api.door(make_key(filled, "auditor", "read"))


def stated(door: Door, account_id: str, **query: str) -> dict[str, Any]:
    text = "&".join(f"{name}={quote(value)}" for name, value in query.items())
    answer = door.get(f"/v1/accounts/{account_id}/statement?{text}")
    assert answer.status == 200, answer.body
    document = answer.json
    if "page" not in document:
        running = list(accumulate(amounts(document), initial=document["opening_balance"]))
        assert [line["booked_after"] for line in document["lines"]] == running[1:]
        assert document["closing_balance"] == running[-1]
    return document


def amounts(document: dict[str, Any]) -> list[int]:
    return [line["amount"] for line in document["lines"]]


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"from": "2026-03-02", "to": "2026-03-02"}, [10, 100]),
        ({"from": "2026-03-01", "to": "2026-03-01"}, [1]),
        ({"from": "2026-03-03", "to": "2026-03-03"}, [1000]),
        ({"from": "2026-03-02"}, [10, 100, 1000]),
        ({"to": "2026-03-02"}, [1, 10, 100]),
        ({"to": "9999-12-31"}, [1, 10, 100, 1000]),
        ({"from": "0001-01-01"}, [1, 10, 100, 1000]),
        ({}, [1, 10, 100, 1000]),
        ({"from": "2026-03-04", "to": "2026-03-05"}, []),
        # The first instant is in it, the last is not; digits beyond the microsecond count.
        ({"from": "2026-03-02T05:00:00Z", "to": "2026-03-03T05:00:00Z"}, [10, 100]),
        ({"from": "2026-03-02T00:00:00-05:00"}, [10, 100, 1000]),
        ({"from": "2026-03-02T05:00:00.0000001Z"}, [100, 1000]),
        ({"to": "2026-03-02T05:00:00Z"}, [1]),
        ({"to": "2026-03-02T05:00:00.0000001Z"}, [1, 10]),
        ({"from": "2026-03-02T05:00:00Z", "to": "2026-03-02T05:00:00Z"}, []),
        ({"from": "2026-03-02t05:00:00z", "to": "2026-03-02"}, [10, 100]),
    ],
)
def test_a_statement_has_what_was_recorded_within_its_bounds(
    door: Door, bounds: dict[str, str], expected: list[int]
) -> None:
    assert amounts(stated(door, "ann", **bounds)) == expected


def test_a_statement_says_what_it_is_of(door: Door) -> None:
    document = stated(door, "ann", **{"from": "2026-03-02", "to": "2026-03-02"})

    assert document | {"lines": []} == {
        "account": "ann",
        "currency": "EUR",
        "time_zone": ZONE,
        "from": "2026-03-02T05:00:00.000000Z",
        "to": "2026-03-03T05:00:00.000000Z",
        "final": True,
        "opening_balance": 1,
        "opening_version": 2,
        "lines": [],
        "closing_balance": 111,
        "closing_version": 4,
    }
    assert {line["booking_date"] for line in document["lines"]} == {"2026-03-02"}
    assert document["lines"][0]["counterparty"] == "bank"
    assert document["lines"][0]["transfer_id"] == "ann_1"


def test_consecutive_statements_continue_each_other(door: Door) -> None:
    days = [
        stated(door, "ann", **{"from": f"2026-03-0{day}", "to": f"2026-03-0{day}"})
        for day in (1, 2, 3)
    ]

    for before, after in pairwise(days):
        assert after["opening_balance"] == before["closing_balance"]
        assert after["opening_version"] == before["closing_version"]
        assert after["from"] == before["to"]


def test_an_account_without_money_has_a_statement_without_lines(door: Door) -> None:
    document = stated(door, "idle")

    assert amounts(document) == []
    assert (document["opening_version"], document["closing_version"]) == (0, 1)
    assert document["final"] is False


def test_a_statement_that_ends_before_the_opening_is_404(door: Door) -> None:
    answer = door.get("/v1/accounts/idle/statement?to=2020-12-31")

    assert (answer.status, answer.json["code"]) == (404, "account_not_found")


def test_a_long_statement_is_the_same_whole_in_pages_and_as_csv(door: Door) -> None:
    whole = stated(door, "long")
    answer = door.get("/v1/accounts/long/statement", Accept="text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))
    pages, following = [], ""
    while following is not None:
        cursor = {"cursor": following} if following else {}
        pages.append(stated(door, "long", limit="999", **cursor))
        following = pages[-1]["page"]["next"]

    assert len(whole["lines"]) == LONG
    assert [line for page in pages for line in page["lines"]] == whole["lines"]
    assert answer.headers["content-disposition"].startswith(
        'attachment; filename="statement-long-2026-01-21-'
    )
    assert [row["type"] for row in (rows[0], rows[-1])] == ["OpeningBalance", "ClosingBalance"]
    lines = rows[1:-1]
    assert [int(row["amount_minor"]) for row in lines] == amounts(whole)
    assert sum(int(row["amount_minor"]) for row in lines) == whole["closing_balance"]
    assert [row["version"] for row in lines] == [str(n["version"]) for n in whole["lines"]]
    assert int(rows[-1]["booked_after_minor"]) == whole["closing_balance"]


def test_the_table_is_a_file_that_no_spreadsheet_runs(door: Door) -> None:
    answer = door.get("/v1/accounts/ann/statement?format=csv&from=2026-03-01&to=2026-03-02")
    rows = list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))

    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["content-disposition"] == (
        'attachment; filename="statement-ann-2026-03-01-2026-03-02.csv"'
    )
    assert [row["description"] for row in rows[1:3]] == ['\'=cmd|"0"', '\'=cmd|"1"']
    assert [row["amount"] for row in rows] == ["", "0.01", "0.10", "1.00", ""]


def test_clients_that_hang_up_or_do_not_read_leave_connections_to_others(
    api: RunningApi, door: Door
) -> None:
    request = door.head("GET", "/v1/accounts/long/statement")
    with Inspector(api.database) as inspector:
        for _ in range(20):
            with connect(api.port) as gone:
                gone.sendall(request)
                assert gone.recv(1) == b"H"
        slow = [connect(api.port) for _ in range(10)]
        for connection in slow:
            connection.sendall(request)

        assert door.get("/v1/accounts/ann/balance").status == 200
        wait_until(lambda: not busy(inspector), HEAL_S, api.log.read_text)
        wait_until(lambda: in_flight(door) == 1, HEAL_S, api.log.read_text)
        for connection in slow:
            connection.close()
    assert len(stated(door, "long")["lines"]) == LONG


def busy(inspector: Inspector) -> int:
    """Counts the connections of the reads that do not wait for their next statement."""
    ((count,),) = inspector.fetch(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'chronos-api-reads' AND state <> 'idle'"
    )
    return count


def in_flight(door: Door) -> int:
    text = door.get("/metrics").body.decode()
    return int(float(text.partition("\nchronos_http_requests_in_flight ")[2].split()[0]))
