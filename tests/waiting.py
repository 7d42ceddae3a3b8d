"""Waits for something to become true, and tells what came late from what never came."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any


class CameLate(Exception):
    """It became true, but only after its time: the machine was slow, the test may run again."""


async def until(
    condition: Callable[[], Awaitable[Any]],
    what: Callable[[], str],
    *,
    within_s: float,
    pause_s: float = 0.05,
) -> Any:
    """Waits until `condition` gives something true, and gives that.

    Raises:
        CameLate: It became true, but not in time.
        AssertionError: It did not become true in twice the time: what should come is lost.
    """
    began_s = monotonic()
    while not (answer := await condition()):
        _raise_if_lost(began_s, within_s, what)
        await asyncio.sleep(pause_s)
    _raise_if_late(began_s, within_s, what)
    return answer


def wait_until(
    condition: Callable[[], Any],
    what: Callable[[], str],
    *,
    within_s: float,
    pause_s: float = 0.05,
) -> None:
    """Does as `until` does, without a loop."""
    began_s = monotonic()
    while not condition():
        _raise_if_lost(began_s, within_s, what)
        time.sleep(pause_s)
    _raise_if_late(began_s, within_s, what)


def _raise_if_lost(began_s: float, within_s: float, what: Callable[[], str]) -> None:
    if monotonic() - began_s >= 2 * within_s:
        raise AssertionError(f"never, in {2 * within_s:g} s: {what()}")


def _raise_if_late(began_s: float, within_s: float, what: Callable[[], str]) -> None:
    took_s = monotonic() - began_s
    if took_s > within_s:
        raise CameLate(f"after {took_s:.1f} s only, of {within_s:g} s: {what()}")
