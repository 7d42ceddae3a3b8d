"""What every answer of a kind must have."""

from __future__ import annotations

from tests.integration.api.wire import Answer


def check_problem(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.json["code"]) == (status, code), answer.json
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["type"] == f"urn:chronos:problem:{code}"
    assert answer.json["status"] == status
    assert answer.json["title"]
    assert answer.json["detail"]
    assert answer.json["request_id"] == answer.headers["x-request-id"]
