"""No process starts on a server that forgets, or with a role that may rewrite the journal."""

from __future__ import annotations

import asyncio

import pytest

from chronos.errors import SettingFault, Unavailable, UnsafeSetting
from chronos.store import roles, startup_checks
from chronos.store.outbox_layout import Layout, agree_on
from chronos.store.startup_checks import Demand, Duty, check, check_schema, check_settings
from chronos.wire.bounds import LOCKS_MAX
from tests.builders import attempt, open_account
from tests.journals import store_on

WRITER = Demand(duty=Duty.WRITE, transactions_max=2)
SAFE = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "transaction_timeout": "5000",
    "server_version_num": "180000",
    "max_locks_per_transaction": "512",
    "max_connections": "100",
    "in_hot_standby": "off",
    "default_transaction_read_only": "off",
    "zero_damaged_pages": "off",
    "ignore_checksum_failure": "off",
}
ROLES = [(Duty.WRITE, "writer_dsn"), (Duty.RELAY, "relay_dsn"), (Duty.READ, "reader_dsn")]


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


@pytest.mark.parametrize("name", ["zero_damaged_pages", "ignore_checksum_failure"])
def test_a_server_that_passes_over_what_it_lost_is_refused(name):
    with pytest.raises(UnsafeSetting, match=name):
        check_settings({**SAFE, name: "on"}, Demand(duty=Duty.READ, transactions_max=1))


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


async def test_a_database_that_does_not_wait_for_the_disk_is_refused(database, owner):
    await owner.execute(f"ALTER DATABASE {database.name} SET synchronous_commit = off")

    with pytest.raises(UnsafeSetting, match="synchronous_commit"):
        await check(database.writer_dsn, WRITER)
    # The relay's checkpoint may be lost: it would only publish again.
    await check(database.relay_dsn, Demand(duty=Duty.RELAY, transactions_max=0))


@pytest.mark.parametrize(
    "query", ["synchronous_commit=off", "options=-c%20synchronous_commit%3Doff"]
)
async def test_an_address_that_asks_not_to_wait_for_the_disk_is_refused(database, query):
    with pytest.raises(UnsafeSetting, match="synchronous_commit"):
        await check(f"{database.writer_dsn}?{query}", WRITER)


@pytest.mark.parametrize(("duty", "dsn"), ROLES[:2])
async def test_who_has_to_write_is_refused_where_nothing_can_be_written(
    database, owner, duty, dsn
):
    await owner.execute(
        f"ALTER DATABASE {database.name} SET default_transaction_read_only = on"
    )

    with pytest.raises(UnsafeSetting, match="default_transaction_read_only"):
        await check(getattr(database, dsn), Demand(duty=duty, transactions_max=2))


async def test_a_standby_is_waited_for_until_it_is_the_primary(database, monkeypatch):
    # There is one server here; what a standby says of itself is put into its answer.
    said = startup_checks._SETTINGS.replace(
        "SELECT name, setting",
        "SELECT name, CASE name WHEN 'in_hot_standby' THEN 'on' ELSE setting END",
    )
    monkeypatch.setattr(startup_checks, "_SETTINGS", said)

    for duty, dsn in ROLES:
        with pytest.raises(Unavailable, match="standby"):
            await check(getattr(database, dsn), Demand(duty=duty, transactions_max=2))


@pytest.mark.parametrize("table", ["events", "outbox_1", "relay_checkpoints"])
async def test_a_table_that_a_crash_would_empty_is_refused(database, owner, table):
    # No table of the journal refers to it.
    await owner.execute("ALTER TABLE events DROP CONSTRAINT IF EXISTS events_account_id_fkey")
    await owner.execute(f"ALTER TABLE {table} SET UNLOGGED")

    for duty, dsn in ROLES:
        with pytest.raises(UnsafeSetting, match=f"{table}: this table is unlogged"):
            await check(getattr(database, dsn), Demand(duty=duty, transactions_max=2))


@pytest.mark.parametrize(
    ("right", "what"),
    [
        ("UPDATE (window_last_position) ON relay_checkpoints", "relay_checkpoints"),
        ("DELETE ON relay_checkpoints", "relay_checkpoints"),
        ("TRUNCATE ON outbox_2", "empty the outbox"),
        ("UPDATE (shard) ON outbox_0", "empty the outbox"),
    ],
)
async def test_nobody_but_the_relay_may_pass_over_events(database, owner, right, what):
    await owner.execute(f"GRANT {right} TO chronos_writer, chronos_reader")

    for duty, dsn in (ROLES[0], ROLES[2]):
        with pytest.raises(UnsafeSetting, match=what):
            await check(getattr(database, dsn), Demand(duty=duty, transactions_max=2))


async def test_each_role_is_refused_in_the_place_of_another(database):
    for duty, own in ROLES:
        for _, dsn in ROLES:
            if dsn == own:
                continue
            with pytest.raises(UnsafeSetting) as refused:
                await check(getattr(database, dsn), Demand(duty=duty, transactions_max=2))
            assert refused.value.exit_code == 78


async def test_a_role_that_lacks_what_it_needs_is_refused(database, owner):
    await owner.execute("REVOKE INSERT (value) ON outbox_1 FROM chronos_writer")
    await owner.execute("REVOKE ALL ON outbox_2 FROM chronos_writer")
    await owner.execute("REVOKE UPDATE ON relay_checkpoints FROM chronos_relay")

    with pytest.raises(UnsafeSetting, match="lacks INSERT on the outbox"):
        await check(database.writer_dsn, WRITER)
    with pytest.raises(UnsafeSetting, match="lacks rights on relay_checkpoints"):
        await check(database.relay_dsn, Demand(duty=Duty.RELAY, transactions_max=0))


async def test_the_owner_is_no_writer(database):
    with pytest.raises(UnsafeSetting, match=r"transaction_timeout|owns accounts"):
        await check(database.owner_dsn, WRITER)
    with pytest.raises(UnsafeSetting, match="owns accounts"):
        await check(database.owner_dsn, Demand(duty=Duty.READ, transactions_max=2))


@pytest.mark.parametrize("right", ["UPDATE (kind)", "DELETE", "TRUNCATE", "TRIGGER"])
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


DEALT = Layout(partitions=8, shards=2)


def dealing(duty, layout=DEALT):
    return Demand(duty=duty, transactions_max=2, layout=layout)


async def test_the_first_start_decides_how_the_outbox_is_dealt_out(database, owner):
    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(check(database.writer_dsn, dealing(Duty.WRITE)))
            tasks.create_task(check(database.relay_dsn, dealing(Duty.RELAY)))

    (row,) = await owner.fetch("SELECT partitions, shards FROM outbox_layout")
    assert tuple(row) == (8, 2)


@pytest.mark.parametrize(
    ("other", "setting", "count"),
    [
        (Layout(partitions=4, shards=2), "CHRONOS_PARTITIONS", 8),
        (Layout(partitions=8, shards=3), "CHRONOS_RELAY_SHARDS", 2),
    ],
    ids=["partitions", "shards"],
)
@pytest.mark.parametrize(
    ("duty", "dsn"), [(Duty.WRITE, "writer_dsn"), (Duty.RELAY, "relay_dsn")]
)
async def test_who_would_deal_it_out_in_another_way_is_refused(
    database, other, setting, count, duty, dsn
):
    await check(database.relay_dsn, dealing(Duty.RELAY))

    with pytest.raises(SettingFault, match=f"set {setting}={count}") as refused:
        await check(getattr(database, dsn), dealing(duty, other))
    assert (refused.value.setting, refused.value.exit_code) == (setting, 78)


async def test_who_starts_while_another_decides_waits_for_its_decision(database, owner):
    other = Layout(partitions=16, shards=2)
    deciding = owner.transaction()
    await deciding.start()
    await owner.execute("INSERT INTO outbox_layout VALUES (8, 2)")

    starting = asyncio.create_task(check(database.writer_dsn, dealing(Duty.WRITE, other)))
    await asyncio.sleep(0.5)
    assert not starting.done()
    await deciding.commit()

    with pytest.raises(SettingFault, match="CHRONOS_PARTITIONS: is 16"):
        await starting


async def test_who_only_reads_decides_nothing_and_is_refused_too(database, owner):
    await check(database.reader_dsn, dealing(Duty.READ))
    assert await owner.fetch("SELECT FROM outbox_layout") == []
    await check(database.relay_dsn, dealing(Duty.RELAY))

    with pytest.raises(SettingFault, match="CHRONOS_RELAY_SHARDS: is 1"):
        await check(database.reader_dsn, dealing(Duty.READ, Layout(partitions=8, shards=1)))


async def test_a_role_that_may_not_decide_is_refused(database, owner):
    await owner.execute("REVOKE INSERT ON outbox_layout FROM chronos_writer")

    with pytest.raises(UnsafeSetting, match="outbox_layout"):
        await check(database.writer_dsn, dealing(Duty.WRITE))


@pytest.mark.parametrize("asked", ["the API", "migrate up"])
async def test_for_a_journal_of_an_older_version_nobody_decides_who_has_not_seen_the_topics(
    database, owner, asked
):
    async with store_on(database.writer_dsn) as store:
        await store.journal.submit(attempt(open_account()))
    wrong = Layout(partitions=4, shards=1)

    if asked == "the API":
        await check(database.writer_dsn, dealing(Duty.WRITE, wrong))
    else:
        await agree_on(database.owner_dsn, wrong, topics_agree=False)
    assert await owner.fetch("SELECT FROM outbox_layout") == []

    await check(database.relay_dsn, dealing(Duty.RELAY))
    with pytest.raises(SettingFault, match="set CHRONOS_PARTITIONS=8"):
        await check(database.writer_dsn, dealing(Duty.WRITE, wrong))


async def test_an_older_schema_is_named(database, owner):
    await owner.execute("DROP TABLE outbox_layout")

    for dsn in (database.relay_dsn, database.owner_dsn):
        with pytest.raises(UnsafeSetting, match="chronos migrate up"):
            await agree_on(dsn, DEALT, topics_agree=True)
