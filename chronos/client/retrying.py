"""When to ask again, and after how long: pure decisions of the client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chronos.client.answers import Problem

RETRYABLE_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
RETRY_AFTER_MAX_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Full-jitter exponential back-off.

    Each wait is drawn evenly between zero and a ceiling that doubles from `first_s` to
    `most_s`; a server's `Retry-After` is a floor under it.

    Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    first_s: float = 0.05
    most_s: float = 2.0

    def wait_s(
        self, attempt: int, *, chance: Callable[[], float], retry_after_s: float
    ) -> float:
        """Gives the seconds to wait after failed attempt number `attempt`, counted from 1.

        Args:
            attempt: How many attempts have failed.
            chance: Draws from [0, 1).
            retry_after_s: The least wait that the server asked for; 0 when it said nothing.
        """
        ceiling = min(self.most_s, self.first_s * float(2 ** min(attempt - 1, 30)))
        return max(0.0, retry_after_s) + chance() * ceiling


def is_retryable(problem: Problem) -> bool:
    """Tells whether the same request, with the same key, may succeed later."""
    return problem.retryable or problem.status in RETRYABLE_STATUSES


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Reads `Retry-After` in seconds, at most a minute; 0 when absent or not a number."""
    text = headers.get("Retry-After", "")
    if not (text.isascii() and text.isdigit()):
        return 0.0
    return min(float(text[:6]), RETRY_AFTER_MAX_S)
