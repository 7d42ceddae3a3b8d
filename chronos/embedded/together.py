"""Work side by side that fails with one fault instead of a group of them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from chronos.errors import ChronosError


async def together(*works: Coroutine[Any, Any, object]) -> None:
    """Runs all works at once and returns when all are done; the first failure ends the rest.

    Raises:
        ChronosError: The first fault. One sentence is enough to act on, and later ones often
            follow from it.
    """
    faults: tuple[Exception | ExceptionGroup[Exception], ...] = ()
    try:
        async with asyncio.TaskGroup() as tasks:
            for work in works:
                tasks.create_task(work)
    except* ChronosError as group:
        faults = group.exceptions
    if faults:
        raise faults[0]
