"""Cuts a stream of HTTP/1.1 answers into statuses, without reading what they say."""

from __future__ import annotations

ANSWER_BYTES_MAX = 1 << 20
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


class AnswerFault(Exception):
    """Says that the bytes are not the HTTP/1.1 that the command endpoint speaks."""


class AnswerCutter:
    """Takes bytes as they arrive; gives the status of each whole answer.

    Only answers with `Content-Length` are taken: the command endpoint sends no others.
    """

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> tuple[int, ...]:
        """Takes `data` and gives the statuses of the answers that it completes.

        Raises:
            AnswerFault: The bytes are no such answer, or it is too long.
        """
        buffer = self._buffer + data if self._buffer else data
        statuses: list[int] = []
        while buffer:
            end = buffer.find(_HEAD_END)
            if end < 0:
                break
            total = end + 4 + _content_length(buffer[:end])
            if len(buffer) < total:
                break
            statuses.append(int(buffer[9:12]))
            buffer = buffer[total:]
        if len(buffer) > ANSWER_BYTES_MAX:
            raise AnswerFault(f"an answer is longer than {ANSWER_BYTES_MAX} bytes")
        self._buffer = buffer
        return tuple(statuses)


def _content_length(head: bytes) -> int:
    if not head.startswith(b"HTTP/1.1 "):
        raise AnswerFault(f"not an HTTP/1.1 answer: {head[:40]!r}")
    lower = head.lower()
    at = lower.find(_LENGTH)
    if at < 0:
        raise AnswerFault("an answer without Content-Length")
    end = lower.find(b"\r\n", at)
    return int(lower[at + len(_LENGTH) : end if end >= 0 else None])
