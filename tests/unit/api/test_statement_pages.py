"""Pages of a statement: one whole together, and cursors that lead nowhere else."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from chronos.api.statement import READINGS_MAX
from chronos.store.moments import Lines
from tests.unit.api.statements import LongAccount
from tests.unit.api.test_streaming import PATH, api_over, request


async def ask(bench, query: str, path: str = PATH, **headers: str):
    status, _, body = await bench.ask(request(f"{path}?{query}", **headers))
    return status, json.loads(body)


async def all_pages(bench, query: str) -> list[dict]:
    status, document = await ask(bench, query)
    pages = [document]
    while document["page"]["has_more"]:
        status, document = await ask(bench, f"{query}&cursor={document['page']['next']}")
        assert status == 200
        pages.append(document)
    assert document["page"]["next"] is None
    return pages


@pytest.mark.parametrize(
    ("lines", "limit", "sizes"),
    [
        (0, 3, [0]),
        (1, 3, [1]),
        (3, 3, [3]),
        (4, 3, [3, 1]),
        (7, 1, [1] * 7),
        (99, 98, [98, 1]),
    ],
)
async def test_the_pages_of_a_statement_are_the_statement(lines, limit, sizes):
    async with api_over(LongAccount(lines)) as bench:
        pages = await all_pages(bench, f"limit={limit}")

    assert [len(page["lines"]) for page in pages] == sizes
    versions = [line["version"] for page in pages for line in page["lines"]]
    assert versions == list(range(2, lines + 2))
    assert len({page["closing_balance"] for page in pages}) == 1
    for before, after in pairwise(pages):
        assert after["lines"][0]["booked_after"] == (
            before["lines"][-1]["booked_after"] + after["lines"][0]["amount"]
        )


async def test_the_first_page_of_a_long_account_reads_no_more_than_of_a_short():
    account = LongAccount(1_000_000)
    async with api_over(account) as bench:
        _, document = await ask(bench, "limit=50")

    assert account.readings == 1
    assert document["closing_balance"] == 5_000_000


async def test_a_page_that_would_pass_over_too_much_ends_early_and_leads_on():
    account = LongAccount(40)
    proper = account.lines

    async def only_one_in_ten(period, *, after, limit, bytes_max):
        """As if nine of ten events moved no money, and only one were passed at a time."""
        lines = await proper(period, after=after, limit=min(limit, 1), bytes_max=bytes_max)
        row = lines.rows[0]
        amount = row.amount * 10 if row.version % 10 == 1 else None
        rows = () if amount is None else (row._replace(amount=amount),)
        return Lines(rows, lines.reached)

    account.lines = only_one_in_ten
    async with api_over(account) as bench:
        pages = await all_pages(bench, "limit=2")

    assert [line["version"] for page in pages for line in page["lines"]] == [11, 21, 31, 41]
    assert account.readings <= len(pages) * READINGS_MAX
    assert min(len(page["lines"]) for page in pages) < 2


async def test_a_cursor_keeps_the_end_that_its_first_page_saw():
    account = LongAccount(4)
    async with api_over(account) as bench:
        _, first = await ask(bench, "limit=3")
        account.closing += 100
        _, second = await ask(bench, f"limit=3&cursor={first['page']['next']}")

    assert [line["version"] for line in second["lines"]] == [5]
    assert second["page"]["has_more"] is False
    for name in ("from", "to", "final", "closing_balance", "closing_version"):
        assert second[name] == first[name]


async def test_a_cursor_without_a_limit_goes_on_with_the_usual_page():
    async with api_over(LongAccount(100)) as bench:
        _, first = await ask(bench, "limit=1")
        _, second = await ask(bench, f"cursor={first['page']['next']}")

    assert len(second["lines"]) == 50


async def test_a_cursor_of_another_statement_is_refused():
    async with api_over(LongAccount(9)) as bench:
        _, first = await ask(bench, "limit=1&from=2026-01-01")
        cursor = first["page"]["next"]
        others = [
            (PATH, f"cursor={cursor}"),
            (PATH, f"from=2026-01-02&cursor={cursor}"),
            (PATH, f"from=2026-01-01&to=2026-01-05&cursor={cursor}"),
            (PATH.replace("bob", "eve"), f"from=2026-01-01&cursor={cursor}"),
            (PATH, f"from=2026-01-01&cursor={cursor[:-1]}"),
            (PATH, f"from=2026-01-01&cursor=A{cursor[1:]}"),
            (PATH, "cursor=AAAA"),
        ]
        refused = [await ask(bench, query, path) for path, query in others]
        status, _ = await ask(bench, f"from=2026-01-01&cursor={cursor}")

    assert {(status, document["code"]) for status, document in refused} == {
        (400, "invalid_cursor")
    }
    assert status == 200


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("format=csv&limit=5", {}),
        ("limit=5", {"Accept": "text/csv"}),
        ("limit=0", {}),
        ("limit=1001", {}),
        ("from=2026-03-02&to=2026-03-01", {}),
        ("from=2026-03-02T00:00:00Z&to=2026-03-01T23:59:59Z", {}),
        ("from=2026-03-03T00:00:00.000001Z&to=2026-03-02", {}),
        ("from=2026-03-02&from=2026-03-02", {}),
        ("from=2023-02-29", {}),
        ("to=10000-01-01", {}),
        ("format=xml", {}),
        ("after=5", {}),
    ],
)
async def test_parameters_that_do_not_fit_are_refused(query, headers):
    async with api_over(LongAccount(9)) as bench:
        status, document = await ask(bench, query, **headers)

    assert (status, document["code"]) == (400, "invalid_parameter")


@pytest.mark.parametrize("query", ["limit=1", ""])
async def test_an_account_that_is_not_or_was_not_there_has_no_statement(query):
    async with api_over(LongAccount(9)) as bench:
        unknown = await ask(bench, query, PATH.replace("bob", "nobody"))
        unborn = await ask(bench, query, PATH.replace("bob", "unborn"))

    for status, document in (unknown, unborn):
        assert (status, document["code"]) == (404, "account_not_found")
    assert "was opened" in unborn[1]["detail"]
