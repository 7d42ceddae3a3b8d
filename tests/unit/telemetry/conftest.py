"""A recorder in memory, and the end of any that a test has set."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chronos.telemetry.spans import Span, record_to


class Memory:
    """Samples what its rule says and keeps every span."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.asked: list[tuple[str, bool | None]] = []
        self.rule = lambda _trace_id, _parent: True

    def samples(self, trace_id: str, *, parent_is_sampled: bool | None) -> bool:
        self.asked.append((trace_id, parent_is_sampled))
        return self.rule(trace_id, parent_is_sampled)

    def record(self, span: Span) -> None:
        self.spans.append(span)


@pytest.fixture
def memory() -> Iterator[Memory]:
    recorder = Memory()
    record_to(recorder)
    yield recorder
    record_to(None)
