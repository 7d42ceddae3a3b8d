"""What must be true of PostgreSQL and of one's own role before any process starts.

A ledger on a server that forgets commits, or with a role that may rewrite the journal, works
until the day it matters. So nothing starts on one: each check names the setting, exit code 78.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import asyncpg

from chronos.errors import SettingFault, Unavailable, UnsafeSetting
from chronos.store import migrate, pool
from chronos.store.faults import translated
from chronos.store.outbox_layout import Layout, agree, compare
from chronos.wire.bounds import LOCKS_MAX

_DSN: Final = "CHRONOS_POSTGRES_DSN"
_REFUSED: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)
_VERSION_MIN: Final = 170000
TRANSACTION_TIMEOUT_MS_MAX: Final = 5000
"""What is older than this is final: whatever was begun before it has ended."""
_OTHER_LOCKS: Final = 64
"""Tables, indexes and sequences that one transaction locks besides."""
_DEADLINE_S: Final = 10.0

_SETTINGS: Final = """
SELECT name, setting
FROM pg_settings
WHERE name = ANY ($1::text[])
"""
_HAS_SCHEMA: Final = "SELECT to_regclass('schema_migrations') IS NOT NULL"
_SCHEMA: Final = "SELECT coalesce(max(number), 0) FROM schema_migrations"
_RIGHTS: Final = """
SELECT
  journal.relname AS table_name,
  pg_has_role(journal.relowner, 'MEMBER') AS owns,
  has_any_column_privilege(journal.oid, 'INSERT') AS may_insert,
  has_any_column_privilege(journal.oid, 'UPDATE')
    OR has_table_privilege(journal.oid, 'DELETE')
    OR has_table_privilege(journal.oid, 'TRUNCATE')
    OR has_table_privilege(journal.oid, 'TRIGGER') AS may_change
FROM pg_class AS journal
WHERE journal.oid = ANY (ARRAY['accounts', 'events', 'receipts']::regclass[])
ORDER BY journal.relname
"""
_OUTBOX_RIGHTS: Final = """
SELECT
  has_any_column_privilege('relay_checkpoints', 'UPDATE')
    OR has_table_privilege('relay_checkpoints', 'INSERT, DELETE, TRUNCATE') AS may_move,
  bool_or(
    has_any_column_privilege(outbox, 'UPDATE')
      OR has_table_privilege(outbox, 'DELETE, TRUNCATE')
  ) AS may_empty,
  bool_and(has_any_column_privilege(outbox, 'INSERT')) AS may_add,
  has_table_privilege('outbox_layout', 'SELECT')
    AND has_table_privilege('outbox_layout', 'INSERT') AS may_decide
FROM unnest(ARRAY['outbox_0', 'outbox_1', 'outbox_2']::regclass[]::oid[]) AS outbox
"""
_UNLOGGED: Final = """
SELECT relname
FROM pg_class
WHERE relpersistence <> 'p'
  AND oid = ANY (
    ARRAY[
      'accounts', 'events', 'receipts', 'api_keys', 'schema_migrations',
      'outbox_0', 'outbox_1', 'outbox_2', 'outbox_current', 'outbox_layout',
      'relay_checkpoints', 'relay_refill'
    ]::regclass[]
  )
ORDER BY relname
"""
_TRIGGERS: Final = """
SELECT wanted
FROM unnest(ARRAY[
  'accounts_never_change', 'events_never_change', 'receipts_never_change', 'events_zero_sum'
]) AS wanted
WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted AND tgenabled = 'A')
"""
_CHECKED: Final = (
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "transaction_timeout",
    "server_version_num",
    "max_locks_per_transaction",
    "max_connections",
    "in_hot_standby",
    "default_transaction_read_only",
    "zero_damaged_pages",
    "ignore_checksum_failure",
)
_NEVER_ON: Final = ("zero_damaged_pages", "ignore_checksum_failure")


class Duty(Enum):
    """What a process does with the database."""

    WRITE = "write"
    RELAY = "relay"
    READ = "read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What the processes of one kind can ask of the server at once."""

    duty: Duty
    transactions_max: int
    """Command transactions open at once: lanes of one process times processes."""
    setting: str = _DSN
    """The setting that holds the address, for whoever has to correct it."""
    layout: Layout | None = None
    """How its settings deal the outbox out; None: it is not compared."""


async def check(dsn: str, demand: Demand) -> None:
    """Proves that this process may start on this database.

    Raises:
        SettingFault: PostgreSQL answers, and refuses the sign-in; or the outbox is dealt out
            in another way than this process would.
        UnsafeSetting: Names the first setting, right or schema that is not as it must be.
        Unavailable: PostgreSQL does not answer, or is a standby: it takes no writes, and lacks
            what was committed a moment ago. It may become what is needed.
    """
    connection = await _signed_in(dsn, demand.setting)
    try:
        with translated():
            settings = dict(await connection.fetch(_SETTINGS, _CHECKED))
            if settings["in_hot_standby"] == "on":
                raise Unavailable("postgresql", "it is a standby, and not the primary")
            check_settings(settings, demand)
            has_schema = await connection.fetchval(_HAS_SCHEMA)
            check_schema(await connection.fetchval(_SCHEMA) if has_schema else 0)
            check_rights(await connection.fetch(_RIGHTS), demand)
            check_outbox_rights(await connection.fetchrow(_OUTBOX_RIGHTS), demand)
            for table in await connection.fetch(_UNLOGGED):
                raise UnsafeSetting(
                    table["relname"],
                    "this table is unlogged: a crash of PostgreSQL would empty it",
                )
            for name in await connection.fetch(_TRIGGERS):
                raise UnsafeSetting(
                    name["wanted"], "this trigger of the journal is off or gone"
                )
            if demand.layout is not None:
                await _compare_layout(connection, demand.duty, demand.layout)
    finally:
        await pool.close(connection)


async def _compare_layout(connection: asyncpg.Connection, duty: Duty, layout: Layout) -> None:
    if duty is Duty.READ:
        await compare(connection, layout)
    else:
        # A relay starts with the topics, a command process without a look at Kafka.
        await agree(connection, layout, topics_agree=duty is Duty.RELAY)


async def _signed_in(dsn: str, setting: str) -> asyncpg.Connection:
    try:
        return await pool.connect(
            dsn, application_name="chronos-checks", deadline_s=_DEADLINE_S
        )
    except Unavailable as fault:
        if isinstance(fault.__cause__, _REFUSED):
            raise SettingFault(setting, fault.detail) from fault
        raise
    except ValueError as error:
        raise SettingFault(setting, f"is no address of PostgreSQL ({error})") from error


def check_settings(settings: Mapping[str, str], demand: Demand) -> None:
    """Proves the server's settings as this role sees them.

    Raises:
        UnsafeSetting: One of them would let money be lost, or is too small.
    """
    if int(settings["server_version_num"]) < _VERSION_MIN:
        raise UnsafeSetting("server_version", "PostgreSQL 17 or later is needed")
    _check_durable(settings, demand)
    if demand.duty is not Duty.READ and settings["default_transaction_read_only"] == "on":
        raise UnsafeSetting(
            "default_transaction_read_only", "is on, and this process has to write"
        )
    timeout_ms = int(settings["transaction_timeout"])
    if demand.duty is Duty.WRITE and not 0 < timeout_ms <= TRANSACTION_TIMEOUT_MS_MAX:
        raise UnsafeSetting(
            "transaction_timeout",
            f"is {timeout_ms} ms for the writer; its migration sets it to 5 s, after which the "
            "past is final",
        )
    _check_lock_table(settings, demand)


def _check_durable(settings: Mapping[str, str], demand: Demand) -> None:
    never_off = ["fsync", "full_page_writes"]
    if demand.duty is Duty.WRITE:
        never_off.append("synchronous_commit")
    for name in never_off:
        if settings[name] == "off":
            raise UnsafeSetting(name, "is off: a crash would lose what was acknowledged")
    for name in _NEVER_ON:
        if settings[name] == "on":
            raise UnsafeSetting(name, "is on: what the disk has lost would be passed over")


def check_schema(number: int) -> None:
    """Proves that the database has the schema of this version.

    Raises:
        UnsafeSetting: It is older or newer.
    """
    wanted = migrate.schema_number()
    if number < wanted:
        raise UnsafeSetting(
            "schema_migrations",
            f"the database is at {number}, this version needs {wanted}: "
            "run `chronos migrate up` as its owner",
        )
    if number > wanted:
        raise UnsafeSetting(
            "schema_migrations",
            f"the database is at {number}, this version knows {wanted}: run a later version",
        )


def check_rights(tables: list[Any], demand: Demand) -> None:
    """Proves that the role may not rewrite the journal, and a writer may write it.

    Raises:
        UnsafeSetting: It owns a table, may change rows, or may write although it need not.
    """
    setting, writes = demand.setting, demand.duty is Duty.WRITE
    for table in tables:
        name = table["table_name"]
        if table["owns"]:
            raise UnsafeSetting(
                setting,
                f"its role owns {name}: sign in as the role of this process instead",
            )
        if table["may_change"]:
            raise UnsafeSetting(
                setting,
                f"its role may UPDATE, DELETE or TRUNCATE {name}, or put triggers on it",
            )
        if table["may_insert"] is not writes:
            fault = "lacks INSERT on" if writes else "needs no INSERT, but has it, on"
            raise UnsafeSetting(setting, f"its role {fault} {name}")


def check_outbox_rights(rights: Any, demand: Demand) -> None:
    """Proves that the relay alone may move its checkpoint and empty the outbox.

    Raises:
        UnsafeSetting: Events could be passed over on their way to Kafka, or never get on it.
    """
    setting, duty = demand.setting, demand.duty
    if duty is not Duty.READ and not rights["may_decide"]:
        raise UnsafeSetting(setting, "its role lacks SELECT or INSERT on outbox_layout")
    if duty is Duty.RELAY:
        if not (rights["may_move"] and rights["may_empty"]):
            raise UnsafeSetting(setting, "its role lacks rights on relay_checkpoints or outbox")
        return
    if rights["may_move"]:
        raise UnsafeSetting(setting, "its role may change relay_checkpoints, as the relay only")
    if rights["may_empty"]:
        raise UnsafeSetting(setting, "its role may empty the outbox, as the relay only")
    if duty is Duty.WRITE and not rights["may_add"]:
        raise UnsafeSetting(setting, "its role lacks INSERT on the outbox")


def _check_lock_table(settings: Mapping[str, str], demand: Demand) -> None:
    """Proves that all command transactions at their largest fit the shared lock table.

    Source: PostgreSQL manual, "Lock Management": it has room for max_locks_per_transaction
    locks for each of max_connections sessions, and any session may use the room of others.
    """
    per_transaction = int(settings["max_locks_per_transaction"])
    room = per_transaction * int(settings["max_connections"])
    asked = demand.transactions_max * (LOCKS_MAX + _OTHER_LOCKS)
    if asked > room:
        raise UnsafeSetting(
            "max_locks_per_transaction",
            f"is {per_transaction}, room for {room} locks in all; {demand.transactions_max} "
            f"command transactions may ask for {asked}: raise it, or lower "
            "CHRONOS_WRITER_LANES or CHRONOS_API_PROCESSES",
        )
