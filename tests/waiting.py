"""Waits for something to become true, and tells what came late from what never came."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any


async def until(
    condition: Callable[[], Awaitable[Any]],
    what: Callable[[], str],
    *,
    within_s: float,
    pause_s: float = 0.05,
) -> Any:
    """Waits until `condition` gives something true, and gives that.

    Raises:
        TimeoutError: It became true, but only after the time: the machine was slow, and the
            test may be run again.
        AssertionError: It did not become true in twice the time: what should come is lost.
    """
    began_s = monotonic()
    while not (answer := await condition()):
        if monotonic() - began_s >= 2 * within_s:
            raise AssertionError(f"never, in {2 * within_s:g} s: {what()}")
        await asyncio.sleep(pause_s)
    took_s = monotonic() - began_s
    if took_s > within_s:
        raise TimeoutError(f"after {took_s:.1f} s only, of {within_s:g} s: {what()}")
    return answer
