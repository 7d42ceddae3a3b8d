"""Every document of a bulk request is judged by its own answer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from chronos.errors import InvariantBroken, Unavailable
from chronos.mirror.bulk import (
    LANE_ITEMS_MIN,
    LANES_MAX,
    REQUEST_BYTES_MAX,
    REQUEST_DOCUMENTS_MAX,
    BulkOutcome,
    Document,
    send_documents,
)


class Answers:
    """Answers bulk requests with one status after the other."""

    def __init__(self, *statuses: int):
        self._statuses = list(statuses)
        self.requests: list[int] = []

    def options(self, **_options: Any) -> Answers:
        return self

    async def bulk(self, *, operations: list[bytes], **_options: Any) -> dict[str, Any]:
        documents = len(operations) // 2
        self.requests.append(documents)
        statuses = [self._statuses.pop(0) if self._statuses else 201 for _ in range(documents)]
        return {"items": [{"index": _item(status)} for status in statuses]}


def _item(status: int) -> dict[str, Any]:
    if status < 300:
        return {"status": status}
    return {"status": status, "error": {"type": "some_exception", "reason": "because"}}


def documents(count: int, size_bytes: int = 2, accounts: int | None = None) -> list[Document]:
    return [
        Document(
            action=b'{"version":%d}' % i,
            source=b"x" * size_bytes,
            account_id=f"acc-{i % (accounts or count)}",
            version=i,
        )
        for i in range(count)
    ]


async def send(answers: Any, pending: list[Document]) -> BulkOutcome:
    return await send_documents(answers, pending, lambda document: document, index="entries")


async def test_created_updated_and_already_there_are_all_good():
    outcome = await send(Answers(201, 200, 409), documents(3))

    assert (outcome.applied, outcome.already_applied) == (2, 1)


async def test_nothing_is_sent_for_nothing():
    answers = Answers()

    assert await send(answers, []) == BulkOutcome(applied=0, already_applied=0)
    assert answers.requests == []


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 502, 503, 507])
async def test_one_document_that_was_not_taken_now_fails_the_whole_call(status: int):
    with pytest.raises(Unavailable, match=f"{status} some_exception: because"):
        await send(Answers(201, status, 201), documents(3))


@pytest.mark.parametrize("status", [400, 405, 413])
async def test_a_document_that_is_never_taken_is_named(status: int):
    with pytest.raises(InvariantBroken, match="version 1 of account acc-1") as caught:
        await send(Answers(201, status, 429), documents(3))

    assert (caught.value.account_id, caught.value.version) == ("acc-1", 1)


async def test_fewer_answers_than_documents_are_not_trusted():
    class Short(Answers):
        async def bulk(self, **_options: Any) -> dict[str, Any]:
            return {"items": []}

    with pytest.raises(Unavailable, match="2 documents sent, 0 answers"):
        await send(Short(), documents(2))


async def test_a_request_is_bounded_in_documents_and_in_bytes():
    many, big = Answers(), Answers()

    await send(many, documents(REQUEST_DOCUMENTS_MAX * 2 + 1, accounts=1))
    await send(big, documents(5, size_bytes=REQUEST_BYTES_MAX // 2 - 20))

    assert sum(many.requests) == REQUEST_DOCUMENTS_MAX * 2 + 1
    assert len(many.requests) == 3
    assert max(many.requests) - min(many.requests) <= 2
    assert big.requests == [2, 2, 1]


class Slow(Answers):
    """Answers later each time, and remembers the documents and how many asked at once."""

    def __init__(self, *statuses: int):
        super().__init__(*statuses)
        self.at_once = self.under_way = self.begun = 0
        self.sent: list[list[int]] = []

    async def bulk(self, *, operations: list[bytes], **options: Any) -> dict[str, Any]:
        self.begun += 1
        self.under_way += 1
        self.at_once = max(self.at_once, self.under_way)
        await asyncio.sleep(0.005 * self.begun)
        self.under_way -= 1
        self.sent.append([json.loads(line)["version"] for line in operations[::2]])
        return await super().bulk(operations=operations, **options)


async def test_a_long_batch_goes_in_two_lanes_and_every_account_in_its_order():
    answers, accounts = Slow(), 7
    count = REQUEST_DOCUMENTS_MAX * 4

    outcome = await send(answers, documents(count, accounts=accounts))

    assert outcome.applied == count
    assert answers.at_once == LANES_MAX
    arrived = [version for request in answers.sent for version in request]
    for account in range(accounts):
        own = [version for version in arrived if version % accounts == account]
        assert own == list(range(account, count, accounts))


async def test_a_short_batch_is_one_request():
    answers = Slow()

    await send(answers, documents(LANES_MAX * LANE_ITEMS_MIN - 1))

    assert len(answers.sent) == 1


async def test_when_a_request_fails_those_under_way_are_answered_and_no_other_begins():
    answers = Slow(503)

    with pytest.raises(Unavailable, match="503"):
        await send(answers, documents(REQUEST_DOCUMENTS_MAX * 6))

    assert answers.begun == answers.at_once == LANES_MAX
    assert answers.under_way == 0


async def test_lanes_of_an_index_that_nobody_reads_are_of_one_length_whoever_the_items_are_of():
    answers = Slow()

    await send_documents(
        answers,
        documents(REQUEST_DOCUMENTS_MAX * 2, accounts=1),
        lambda document: document,
        index="entries",
        is_read=False,
    )

    assert answers.at_once == LANES_MAX
    assert answers.requests == [REQUEST_DOCUMENTS_MAX] * 2


async def test_what_can_never_be_taken_counts_for_more_than_what_cannot_be_taken_now():
    class Contradicting(Slow):
        async def bulk(self, **options: Any) -> dict[str, Any]:
            answer = await super().bulk(**options)
            answer["items"][0]["index"] = _item(503 if len(self.sent) == 1 else 400)
            return answer

    with pytest.raises(InvariantBroken, match="400 some_exception"):
        await send(Contradicting(), documents(REQUEST_DOCUMENTS_MAX * 2))
