"""Refuses to change what workers use while they run."""

from __future__ import annotations

from collections.abc import Sequence

from chronos.errors import MissingPart
from chronos.stream.topic_admin import TopicAdmin
from chronos.wire.topics import Names


async def refuse_while_running(admin: TopicAdmin, names: Names, roles: Sequence[str]) -> None:
    """Looks at the workers' consumer groups.

    Raises:
        MissingPart: A worker of one of the roles is a member of its group.
        Unavailable: Kafka does not answer.
    """
    for role in roles:
        group = names.app_id(role)
        members = await admin.members(group)
        if members:
            raise MissingPart(
                f"{members} {role} worker{'s run' if members > 1 else ' runs'} (consumer group "
                f"{group}): stop `chronos up` or the workers, and run this again. One that was "
                "killed counts for another 10 seconds."
            )
