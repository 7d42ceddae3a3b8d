"""Every document of a bulk request is judged by its own answer."""

from __future__ import annotations

from typing import Any

import pytest

from chronos.errors import InvariantBroken, Unavailable
from chronos.mirror.bulk import (
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


def documents(count: int, size_bytes: int = 2) -> list[Document]:
    return [
        Document(action=b"{}", source=b"x" * size_bytes, account_id=f"acc-{i}", version=i)
        for i in range(count)
    ]


async def send(answers: Any, pending: list[Document]) -> BulkOutcome:
    return await send_documents(answers, pending, index="entries")


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

    await send(many, documents(REQUEST_DOCUMENTS_MAX * 2 + 1))
    await send(big, documents(5, size_bytes=REQUEST_BYTES_MAX // 2 - 10))

    assert many.requests == [REQUEST_DOCUMENTS_MAX, REQUEST_DOCUMENTS_MAX, 1]
    assert big.requests == [2, 2, 1]
