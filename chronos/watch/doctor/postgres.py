"""Judges PostgreSQL: settings that could lose money, rights that could rewrite it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chronos.store import roles
from chronos.store.condition import PostgresCondition, RoleCondition
from chronos.watch.doctor.findings import Code, Finding, error, ok, warning

CONNECTIONS_SHARE_MAX: Final = 0.85
TRANSACTION_AGE_S_MAX: Final = 60.0
_NEVER_OFF: Final = ("fsync", "full_page_writes")
_NEVER_ON: Final = ("zero_damaged_pages", "ignore_checksum_failure")
_ALL_ROLES: Final = "all roles"


def judge_postgres(found: PostgresCondition) -> Iterator[Finding]:
    """Judges what PostgreSQL said of itself."""
    yield from _settings(found)
    yield from _synchronous_commit(found)
    yield from _connections(found)
    yield from _transaction(found)
    known = {role.name: role for role in found.roles}
    for name in roles.LOGIN_ROLES:
        yield _role(name, known.get(name))


def _settings(found: PostgresCondition) -> Iterator[Finding]:
    for names, wanted in ((_NEVER_OFF, "on"), (_NEVER_ON, "off")):
        for name in names:
            value = found.settings.get(name, "unknown")
            if value == wanted:
                yield ok(Code.POSTGRES_SETTING, name, f"{name} is {value}")
            else:
                yield error(
                    Code.POSTGRES_SETTING,
                    name,
                    f"{name} is {value}: a crash or a bad disk would lose in silence what "
                    "was acknowledged",
                    f"Set {name} = {wanted} in postgresql.conf and restart PostgreSQL.",
                )
    if found.settings.get("in_hot_standby") == "on":
        yield error(
            Code.POSTGRES_SETTING,
            "in_hot_standby",
            "in_hot_standby is on: this server is a standby and takes no writes",
            "Give the address of the primary, or promote this server.",
        )


def _synchronous_commit(found: PostgresCondition) -> Iterator[Finding]:
    """Judges it as the writer gets it: a role's own setting goes before the server's."""
    name = "synchronous_commit"
    kept = {
        role: dict(setting.partition("=")[::2] for setting in settings).get(name)
        for role, settings in found.overrides.items()
    }
    value = kept.get(roles.WRITER) or kept.get(_ALL_ROLES) or found.settings.get(name)
    if value in ("off", "false", "0", None):
        yield error(
            Code.POSTGRES_SETTING,
            name,
            f"{name} is {value or 'unknown'} for {roles.WRITER}: a crash of PostgreSQL "
            "forgets transfers that were acknowledged a moment before",
            f"Run `ALTER ROLE {roles.WRITER} RESET {name}`, set {name} = on in "
            "postgresql.conf, and restart the API.",
        )
    else:
        yield ok(Code.POSTGRES_SETTING, name, f"{name} is {value} for {roles.WRITER}")


def _connections(found: PostgresCondition) -> Iterator[Finding]:
    most = int(found.settings.get("max_connections", "0"))
    said = f"{found.connections} of {most} connections are taken"
    if most and found.connections > CONNECTIONS_SHARE_MAX * most:
        yield warning(
            Code.POSTGRES_CONNECTIONS,
            "postgresql",
            f"{said}: whoever comes next may be refused",
            "Find who holds them in pg_stat_activity; raise max_connections, or lower "
            "CHRONOS_WRITER_LANES, CHRONOS_READER_CONNECTIONS_MAX or the count of processes.",
        )
    else:
        yield ok(Code.POSTGRES_CONNECTIONS, "postgresql", said)


def _transaction(found: PostgresCondition) -> Iterator[Finding]:
    oldest = found.oldest_transaction
    if oldest is None or oldest.age_s <= TRANSACTION_AGE_S_MAX:
        yield ok(
            Code.LONG_TRANSACTION,
            "postgresql",
            f"no transaction is open for more than {TRANSACTION_AGE_S_MAX:g} s",
        )
        return
    yield warning(
        Code.LONG_TRANSACTION,
        "postgresql",
        f"a transaction of {oldest.role} ({oldest.program or 'unnamed program'}, process "
        f"{oldest.pid}) is open for {oldest.age_s:.0f} s: dead rows pile up behind it and the "
        "outbox cannot be emptied",
        f"End that program's work, or run `SELECT pg_terminate_backend({oldest.pid})`.",
    )


def _role(name: str, role: RoleCondition | None) -> Finding:
    if role is None:
        return error(
            Code.ROLE_RIGHTS,
            name,
            f"the role {name} does not exist",
            "Run `chronos migrate up` as the owner of the database; it makes the roles.",
        )
    if role.powers:
        return error(
            Code.ROLE_RIGHTS,
            name,
            f"{name} has the attributes {', '.join(role.powers)}: nothing keeps it from "
            "rewriting the journal",
            f"Run `ALTER ROLE {name} "
            f"{' '.join('NO' + power.upper() for power in role.powers)}` as a superuser.",
        )
    if role.owns:
        return error(
            Code.ROLE_RIGHTS,
            name,
            f"{name} owns {', '.join(role.owns)}, or is a member of their owner: it may take "
            "the triggers of the journal away",
            f"Run `REVOKE chronos_owner FROM {name}`, or give chronos_owner the tables back.",
        )
    if role.may_change:
        return error(
            Code.ROLE_RIGHTS,
            name,
            f"{name} has {', '.join(role.may_change)}: the journal is to be added to and never "
            "changed",
            f"Run `REVOKE UPDATE, DELETE, TRUNCATE, TRIGGER ON accounts, events, receipts FROM "
            f"{name}`, then find out with `chronos verify` whether it was used.",
        )
    return _insert(name, role)


def _insert(name: str, role: RoleCondition) -> Finding:
    if name != roles.WRITER and role.may_insert:
        return error(
            Code.ROLE_RIGHTS,
            name,
            f"{name} may INSERT into {', '.join(role.may_insert)}, and needs not",
            f"Run `REVOKE INSERT ON accounts, events, receipts FROM {name}`.",
        )
    if name == roles.WRITER and len(role.may_insert) < 3:
        return error(
            Code.ROLE_RIGHTS,
            name,
            f"{name} may INSERT into {', '.join(role.may_insert) or 'nothing'} only, and "
            "cannot write the journal",
            "Run `chronos migrate up` as the owner of the database; it grants what is needed.",
        )
    return ok(Code.ROLE_RIGHTS, name, f"{name} has the rights it needs and no others")
