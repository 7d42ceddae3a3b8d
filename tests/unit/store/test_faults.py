"""What the driver raises, and what the rest of Chronos is told."""

from __future__ import annotations

import asyncpg
import pytest

from chronos.errors import DeadlineExceeded, Unavailable
from chronos.store.faults import translated


def server_error(sqlstate):
    return asyncpg.PostgresError.new({"C": sqlstate, "M": "said by the server", "S": "ERROR"})


@pytest.mark.parametrize(
    "error",
    [
        *map(server_error, ["08006", "08003", "53100", "53300", "57P01", "57P02", "57P03"]),
        *map(server_error, ["25P03", "25P04", "25006", "58030", "28P01", "3D000"]),
        *map(server_error, ["XX000", "XX001", "XX002"]),
        ConnectionRefusedError(111, "refused"),
        ConnectionResetError(104, "reset"),
        OSError(113, "no route"),
        EOFError(),
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InterfaceError("pool is closing"),
        asyncpg.InternalClientError("cannot switch to state 12"),
    ],
    ids=repr,
)
def test_a_server_that_does_not_serve_is_unavailable(error):
    with pytest.raises(Unavailable) as told, translated():
        raise error

    assert told.value.__cause__ is error
    assert told.value.retry_after_s >= 1
    assert not isinstance(told.value, DeadlineExceeded)


@pytest.mark.parametrize(
    "error", [TimeoutError(), server_error("57014"), server_error("55P03")], ids=repr
)
def test_what_took_too_long_is_a_deadline(error):
    with pytest.raises(DeadlineExceeded), translated():
        raise error


@pytest.mark.parametrize(
    "error",
    [
        *map(server_error, ["23505", "40001", "40P01", "42501", "42P01", "22P02"]),
        asyncpg.InterfaceError("cannot perform operation: another operation is in progress"),
        ValueError("ours"),
    ],
    ids=repr,
)
def test_our_own_mistakes_and_lost_races_are_passed_on(error):
    with pytest.raises(type(error)) as raised, translated():
        raise error

    assert raised.value is error


def test_a_full_disk_is_not_asked_again_at_once():
    with pytest.raises(Unavailable) as told, translated():
        raise server_error("53100")

    assert told.value.retry_after_s == 5
