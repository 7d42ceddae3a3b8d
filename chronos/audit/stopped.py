"""Refuses to change what workers use while they run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Final

from chronos.errors import MissingPart
from chronos.stream.topic_admin import TopicAdmin
from chronos.wire.topics import Names

FORGOTTEN_AFTER_S: Final = 12.0
"""A worker that has ended is a member until its session of 10 s is over."""
_LOOK_AGAIN_S: Final = 0.5


async def refuse_while_running(admin: TopicAdmin, names: Names, roles: Sequence[str]) -> None:
    """Looks at the workers' consumer groups, until those that have ended are forgotten.

    Raises:
        MissingPart: A worker of one of the roles is a member of its group.
        Unavailable: Kafka does not answer.
    """
    deadline_s = monotonic() + FORGOTTEN_AFTER_S
    for role in roles:
        group = names.app_id(role)
        while members := await admin.members(group):
            if monotonic() > deadline_s:
                raise MissingPart(
                    f"{members} {role} worker{'s run' if members > 1 else ' runs'} (consumer "
                    f"group {group}): stop `chronos up` or the workers, and run this again."
                )
            await asyncio.sleep(_LOOK_AGAIN_S)
