"""Cuts a stream of HTTP/1.1 answers, and tells what each is worth to a load."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

ANSWER_BYTES_MAX = 1 << 22
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
_CODE = re.compile(rb'"code":"([a-z_]+)"')
_BOOKED = b'"status":201'


class AnswerFault(Exception):
    """Says that the bytes are not the HTTP/1.1 that the doors speak."""


class Answer(NamedTuple):
    """One whole answer."""

    status: int
    body: bytes


class AnswerCutter:
    """Takes bytes as they arrive; gives each whole answer.

    Only answers with `Content-Length` are taken: what a load asks for has no others.
    """

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Answer]:
        """Takes `data` and gives the answers that it completes.

        Raises:
            AnswerFault: The bytes are no such answer, or it is too long.
        """
        buffer = self._buffer + data if self._buffer else data
        answers: list[Answer] = []
        while buffer:
            end = buffer.find(_HEAD_END)
            if end < 0:
                break
            total = end + 4 + _content_length(buffer[:end])
            if len(buffer) < total:
                break
            answers.append(Answer(int(buffer[9:12]), buffer[end + 4 : total]))
            buffer = buffer[total:]
        if len(buffer) > ANSWER_BYTES_MAX:
            raise AnswerFault(f"an answer is longer than {ANSWER_BYTES_MAX} bytes")
        self._buffer = buffer
        return answers


class Worth(NamedTuple):
    """What an answer says was done, and what was not, by reason."""

    done: int
    failures: Counter[str] | None = None


Judge = Callable[[Answer], Worth]

_ONE = Worth(1)


def judge_transfer(answer: Answer) -> Worth:
    """Takes 201 for one transfer, all else for none."""
    return _ONE if answer.status == 201 else _failed(answer)


def batch_judge(transfers: int) -> Judge:
    """Makes a judge of batches of so many transfers: it counts what was booked of each."""

    def judge(answer: Answer) -> Worth:
        if answer.status != 200:
            return _failed(answer, transfers)
        booked = answer.body.count(_BOOKED)
        if booked == transfers:
            return Worth(booked)
        codes = Counter(f"in a batch: {code.decode()}" for code in _CODE.findall(answer.body))
        return Worth(booked, codes or Counter({"in a batch: unknown": transfers - booked}))

    return judge


def read_judge(mark: str) -> Judge:
    """Makes a judge of reads: an answer counts when it is 200 and has `mark` in it."""
    wanted = mark.encode()

    def judge(answer: Answer) -> Worth:
        if answer.status != 200:
            return _failed(answer)
        if wanted in answer.body:
            return _ONE
        return Worth(0, Counter({f"200 without {mark}": 1}))

    return judge


def _failed(answer: Answer, count: int = 1) -> Worth:
    code = _CODE.search(answer.body)
    name = code[1].decode() if code else "without a code"
    return Worth(0, Counter({f"{answer.status} {name}": count}))


def _content_length(head: bytes) -> int:
    if not head.startswith(b"HTTP/1.1 "):
        raise AnswerFault(f"not an HTTP/1.1 answer: {head[:40]!r}")
    lower = head.lower()
    at = lower.find(_LENGTH)
    if at < 0:
        raise AnswerFault("an answer without Content-Length")
    end = lower.find(b"\r\n", at)
    return int(lower[at + len(_LENGTH) : end if end >= 0 else None])
