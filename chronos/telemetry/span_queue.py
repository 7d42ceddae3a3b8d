"""The queue between the work and the receiver of its spans.

One thread takes what waits, a batch at a time, and exports it. `put` never waits: a full queue
drops the span and counts it. A receiver that is away, slow or wrong costs spans and nothing
else; the log says when that begins and when it has ended. At the end of the process what is
left is exported, for at most the given time; the thread is a daemon and keeps no process alive.

Bounds: `queue_spans_max` spans wait, besides the batch on its way.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from chronos.telemetry.logs import get_logger
from chronos.telemetry.metrics import SPANS, SPANS_QUEUED
from chronos.telemetry.spans import Span

Export = Callable[[Sequence[Span]], bool]
"""Sends spans; tells whether they were taken. May take as long as the exporter's time-out."""

_exported: Final = SPANS.labels("exported")
_failed: Final = SPANS.labels("failed")
_dropped: Final = SPANS.labels("dropped")
_log = get_logger("telemetry")


class SpanQueue:
    """Takes spans from any thread and exports them from its own.

    Args:
        export: Sends a batch.
        queue_spans_max: Spans that may wait.
        batch_spans_max: Spans in one batch.
        delay_s: Longest wait of a span for others.
    """

    def __init__(
        self,
        export: Export,
        *,
        queue_spans_max: int,
        batch_spans_max: int,
        delay_s: float,
    ):
        self._export = export
        self._spans_max = queue_spans_max
        self._batch_max = batch_spans_max
        self._delay_s = delay_s
        self._waiting: deque[Span] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._is_failing = False
        self._thread = threading.Thread(target=self._run, name="span-export", daemon=True)
        self._thread.start()
        SPANS_QUEUED.set_function(lambda: len(self._waiting))

    def put(self, span: Span) -> None:
        """Takes a span, or drops it when the queue is full or closed."""
        if len(self._waiting) >= self._spans_max or self._closing:
            _dropped.inc()
            return
        self._waiting.append(span)
        if len(self._waiting) >= self._batch_max:
            self._wake.set()

    def close(self, *, within_s: float) -> None:
        """Exports what waits, for at most this time; drops the rest."""
        self._closing = True
        self._wake.set()
        self._thread.join(within_s)
        left = len(self._waiting)
        self._waiting.clear()
        if left:
            _dropped.inc(left)
            _log.warning("spans_dropped_at_the_end", spans=left, within_s=within_s)

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(self._delay_s)
            self._wake.clear()
            self._drain()

    def _drain(self) -> None:
        while self._waiting:
            batch = self._next_batch()
            try:
                is_taken = self._export(batch)
            except Exception as error:  # noqa: BLE001 - a span is never worth a process
                _log.warning("span_export_broke", reason=repr(error))
                is_taken = False
            (_exported if is_taken else _failed).inc(len(batch))
            self._note(is_taken=is_taken)

    def _next_batch(self) -> list[Span]:
        count = min(len(self._waiting), self._batch_max)
        try:
            return [self._waiting.popleft() for _ in range(count)]
        except IndexError:  # the end has cleared it meanwhile
            return []

    def _note(self, *, is_taken: bool) -> None:
        if is_taken and self._is_failing:
            _log.info("spans_exported_again")
        elif not is_taken and not self._is_failing:
            _log.warning("spans_not_exported", reason="the receiver did not take them")
        self._is_failing = not is_taken
