"""No process starts on a server that forgets, or with a role that may rewrite the journal."""

from __future__ import annotations

import pytest

from chronos.errors import SettingFault, Unavailable, UnsafeSetting
from chronos.store import roles
from chronos.store.startup_checks import Demand, Duty, check, check_schema, check_settings
from chronos.wire.bounds import LOCKS_MAX

WRITER = Demand(duty=Duty.WRITE, transactions_max=2)
SAFE = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "transaction_timeout": "5000",
    "server_version_num": "180000",
    "max_locks_per_transaction": "512",
    "max_connections": "100",
}


@pytest.mark.parametrize(
    ("duty", "dsn"),
    [(Duty.WRITE, "writer_dsn"), (Duty.RELAY, "relay_dsn"), (Duty.READ, "reader_dsn")],
)
async def test_each_role_may_start_on_a_fresh_database(database, duty, dsn):
    await check(getattr(database, dsn), Demand(duty=duty, transactions_max=2))


@pytest.mark.parametrize("name", ["fsync", "full_page_writes", "synchronous_commit"])
def test_a_server_that_forgets_is_refused_by_the_setting_s_name(name):
    with pytest.raises(UnsafeSetting, match=name) as refused:
        check_settings({**SAFE, name: "off"}, WRITER)

    assert refused.value.setting == name
    assert refused.value.exit_code == 78


@pytest.mark.parametrize("timeout_ms", ["0", "5001"])
def test_a_writer_that_may_commit_into_what_is_final_is_refused(timeout_ms):
    with pytest.raises(UnsafeSetting, match="the past is final"):
        check_settings({**SAFE, "transaction_timeout": timeout_ms}, WRITER)


async def test_a_role_that_does_not_wait_for_the_disk_is_refused(database, owner):
    await owner.execute(
        f"ALTER ROLE chronos_writer IN DATABASE {database.name} SET synchronous_commit = off"
    )

    with pytest.raises(UnsafeSetting, match="synchronous_commit"):
        await check(database.writer_dsn, WRITER)


async def test_the_owner_is_no_writer(database):
    with pytest.raises(UnsafeSetting, match=r"transaction_timeout|owns accounts"):
        await check(database.owner_dsn, WRITER)
    with pytest.raises(UnsafeSetting, match="owns accounts"):
        await check(database.owner_dsn, Demand(duty=Duty.READ, transactions_max=2))


@pytest.mark.parametrize("right", ["UPDATE (kind)", "DELETE", "TRUNCATE"])
async def test_a_writer_that_may_rewrite_is_refused(database, owner, right):
    await owner.execute(f"GRANT {right} ON accounts TO chronos_writer")

    with pytest.raises(UnsafeSetting, match="may UPDATE, DELETE or TRUNCATE accounts"):
        await check(database.writer_dsn, WRITER)


async def test_a_journal_without_its_triggers_is_refused(database, owner):
    await owner.execute("ALTER TABLE events DISABLE TRIGGER events_zero_sum")

    with pytest.raises(UnsafeSetting, match="events_zero_sum"):
        await check(database.writer_dsn, WRITER)


async def test_an_empty_database_is_refused(empty_database, database):
    password = database.writer_dsn.split(":")[2].split("@")[0]

    with pytest.raises(UnsafeSetting, match=r"schema_migrations.*migrate up"):
        await check(roles.role_dsn(empty_database, roles.WRITER, password), WRITER)


def test_a_newer_schema_is_refused():
    with pytest.raises(UnsafeSetting, match="later version"):
        check_schema(10_000)


def test_a_lock_table_that_is_too_small_is_refused():
    transactions = 512 * 100 // LOCKS_MAX + 1

    with pytest.raises(UnsafeSetting, match="max_locks_per_transaction"):
        check_settings(SAFE, Demand(duty=Duty.WRITE, transactions_max=transactions))


async def test_a_server_that_is_not_there_is_unavailable():
    with pytest.raises(Unavailable):
        await check("postgresql://chronos_writer:x@127.0.0.1:1/none", WRITER)


async def test_a_refused_sign_in_names_the_setting(database):
    no_address = "postgresql://chronos_writer:x@127.0.0.1:port/none"
    wrong = [
        roles.role_dsn(database.owner_dsn, roles.WRITER, "wrong"),
        roles.database_dsn(database.writer_dsn, "none"),
        no_address,
    ]

    for dsn in wrong:
        with pytest.raises(SettingFault, match="CHRONOS_POSTGRES_DSN"):
            await check(dsn, WRITER)


async def test_a_second_address_is_refused_by_the_name_of_its_own_setting(database):
    wrong = roles.role_dsn(database.owner_dsn, roles.WRITER, "wrong")

    for dsn, duty in ((wrong, Duty.WRITE), (database.writer_dsn, Duty.READ)):
        with pytest.raises((SettingFault, UnsafeSetting)) as refused:
            await check(
                dsn, Demand(duty=duty, transactions_max=1, setting="CHRONOS_WRITER_DSN")
            )
        assert refused.value.setting == "CHRONOS_WRITER_DSN"
