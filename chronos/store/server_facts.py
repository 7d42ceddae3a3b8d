"""What a measurement must say about the PostgreSQL that it was made on."""

from __future__ import annotations

from typing import Final

from chronos.store import pool
from chronos.store.faults import translated

_DEADLINE_S: Final = 10.0
_NAMES: Final = (
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_compression",
    "shared_buffers",
)
_FACTS: Final = """
SELECT name, current_setting(name) AS setting
FROM unnest($1::text[]) AS name
"""


async def server_facts(dsn: str) -> dict[str, str]:
    """Reads the settings that decide what a commit costs and promises.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    connection = await pool.connect(
        dsn, application_name="chronos-facts", deadline_s=_DEADLINE_S
    )
    try:
        with translated():
            return {
                row["name"]: row["setting"] for row in await connection.fetch(_FACTS, _NAMES)
            }
    finally:
        await pool.close(connection)
