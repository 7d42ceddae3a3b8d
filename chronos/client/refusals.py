"""What the client raises when the answer is no, or does not come."""

from __future__ import annotations

from http.client import responses

import msgspec

from chronos.client.answers import Problem
from chronos.client.codes import Code
from chronos.errors import ChronosError, Unavailable

PROBLEM_MEDIA_TYPE = "application/problem+json"


class Refused(ChronosError):
    """Says that the server understood and said no; the same request would be refused again.

    Args:
        problem: The problem document that came with the refusal.
        replayed: Whether this is the stored answer to an earlier request with the same key.
    """

    def __init__(self, problem: Problem, *, replayed: bool = False):
        super().__init__(_sentence(problem))
        self.status = problem.status
        self.code: Code | str = code_of(problem.code)
        self.detail = problem.detail
        self.problem = problem
        self.replayed = replayed


class BrokenOff(Unavailable):
    """Says that an answer had begun and did not come to its end."""


class UnreadableAnswer(ChronosError):
    """Says that the server answered something that this client cannot read."""


def code_of(text: str) -> Code | str:
    """Gives the code by its name in `Code`; one that a newer server made stays a text."""
    try:
        return Code(text)
    except ValueError:
        return text


def problem_of(status: int, media_type: str, body: bytes) -> Problem:
    """Reads a problem document, or makes one from the status when the body is none."""
    if media_type == PROBLEM_MEDIA_TYPE:
        try:
            return msgspec.json.decode(body, type=Problem)
        except msgspec.MsgspecError:
            pass
    phrase = responses.get(status, "Unknown status")
    return Problem(status=status, code="unknown", title=phrase, detail=f"{status} {phrase}.")


def _sentence(problem: Problem) -> str:
    text = (problem.detail or problem.title).rstrip(".")
    more = [e for e in problem.errors if e.detail.rstrip(".") not in ("", text)]
    fields = "; ".join(f"{e.pointer}: {e.detail}" for e in more)
    return f"{text}{f' ({fields})' if fields else ''} [{problem.code}]"
