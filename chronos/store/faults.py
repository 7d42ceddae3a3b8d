"""What the driver's errors mean to the rest of Chronos.

An error that says "the server is not there, not ready, full, or took too long" becomes
`Unavailable`: the sender may repeat with the same key. Anything else is passed on unchanged,
because it is either handled by name here in the store or a mistake of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

from chronos.errors import DeadlineExceeded, Unavailable, UnsafeSetting

SERVICE: Final = "postgresql"

# Source: PostgreSQL manual, appendix A. 08 connection, 53 resources (53100 disk full), 57P
# shutdown and start-up, 58 the machine, 28 a refused sign-in, XX a page or index that cannot be
# trusted (the checksum's verdict is XX001); 25P03/25P04 end the session of a
# transaction that is idle or too long, 25006 is a standby's no, 3D000 a missing database.
_UNAVAILABLE_CLASSES: Final = ("08", "28", "53", "57P", "58", "XX")
_UNAVAILABLE_CODES: Final = frozenset({"25P03", "25P04", "25006", "3D000"})
_LATE_CODES: Final = frozenset({"57014", "55P03"})
_RETRY_AFTER_FULL_S: Final = 5

DRIVER_ERRORS: Final = (
    OSError,
    EOFError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""Everything that asyncpg raises."""


@contextmanager
def older_schema_named() -> Iterator[None]:
    """Says what to do where a table is asked for that a migration still has to make.

    Raises:
        UnsafeSetting: The database has an older schema.
    """
    try:
        yield
    except asyncpg.UndefinedTableError as error:
        raise UnsafeSetting(
            "schema_migrations",
            "the database has an older schema than this version: run `chronos migrate up` as "
            "its owner",
        ) from error


@contextmanager
def translated() -> Iterator[None]:
    """Turns the driver's errors inside the block into faults of Chronos.

    Raises:
        DeadlineExceeded: A statement, a lock or the connection took too long.
        Unavailable: The server is away, starting, stopping, or out of room.
    """
    try:
        yield
    except DRIVER_ERRORS as error:
        fault = _as_fault(error)
        if fault is None:
            raise
        raise fault from error


def _as_fault(error: BaseException) -> Unavailable | None:
    match error:
        case TimeoutError():
            return DeadlineExceeded(SERVICE, "no answer within the deadline")
        # A server that ends a session between two statements leaves the driver out of step.
        case OSError() | EOFError() | asyncpg.InternalClientError():
            return Unavailable(SERVICE, _said_by(error))
        case asyncpg.PostgresError():
            return _from_server(error)
        case asyncpg.InterfaceError() if _is_about_connection(error):
            return Unavailable(SERVICE, _said_by(error))
        case _:
            return None


def _from_server(error: asyncpg.PostgresError) -> Unavailable | None:
    code = getattr(error, "sqlstate", None) or ""
    if code in _LATE_CODES:
        return DeadlineExceeded(SERVICE, _said_by(error))
    if code.startswith(_UNAVAILABLE_CLASSES) or code in _UNAVAILABLE_CODES:
        wait_s = _RETRY_AFTER_FULL_S if code == "53100" else 1
        return Unavailable(SERVICE, _said_by(error), retry_after_s=wait_s)
    return None


def _is_about_connection(error: asyncpg.InterfaceError) -> bool:
    """Tells a lost connection from a misuse of the driver, which shares its class."""
    text = str(error)
    return "connection is closed" in text or "pool is clos" in text or "released back" in text


def _said_by(error: BaseException) -> str:
    text = str(error).strip().split("\n", 1)[0]
    return text or type(error).__name__
