"""`chronos migrate` and `chronos keys`, as the owner of a database runs them."""

from __future__ import annotations

import asyncio
import json

import asyncpg
import pytest
from click.testing import CliRunner

from chronos.cli import keys, migrate
from chronos.errors import SettingFault
from chronos.store import roles
from chronos.store.migrate import schema_number
from tests.databases import PASSWORD


@pytest.fixture
def run(tmp_path):
    secret = tmp_path / "key.secret"
    secret.write_text("5" * 64, encoding="utf-8")

    def runner(dsn, group, *words):
        environment = {
            "CHRONOS_POSTGRES_DSN": dsn,
            "CHRONOS_KEY_SECRET_FILE": str(secret),
            "CHRONOS_DATA_DIR": None,
        }
        return CliRunner().invoke(group.command, words, env=environment)

    return runner


def test_migrate_brings_an_empty_database_up_and_says_so(run, empty_database):
    before = json.loads(run(empty_database, migrate, "status", "--json").stdout)
    applied = json.loads(run(empty_database, migrate, "up", "--json").stdout)
    again = run(empty_database, migrate, "up")
    after = json.loads(run(empty_database, migrate, "status", "--json").stdout)

    assert {row["applied_at"] for row in before["migrations"]} == {None}
    assert len(applied["applied"]) == schema_number()
    assert "nothing to apply" in again.stdout
    assert all(row["applied_at"] for row in after["migrations"])


def test_a_key_is_made_listed_and_revoked(run, database):
    made = run(
        database.owner_dsn, keys, "create", "--principal", "ann", "--scopes", "read", "--json"
    )
    key = json.loads(made.stdout)
    listed = json.loads(run(database.owner_dsn, keys, "list", "--json").stdout)["keys"]
    ended = run(database.owner_dsn, keys, "revoke", key["key_id"])
    ended_again = run(database.owner_dsn, keys, "revoke", key["key_id"])

    assert key["key"].startswith(f"chk_{key['key_id']}_")
    assert [(row["key_id"], row["principal"], row["scopes"]) for row in listed] == [
        (key["key_id"], "ann", ["read"])
    ]
    assert key["key"].rpartition("_")[2] not in json.dumps(listed)
    assert (ended.exit_code, ended_again.exit_code) == (0, 1)


@pytest.mark.parametrize(
    "words",
    [
        ("create",),
        ("create", "--principal", "a b"),
        ("create", "--principal", "chronos"),
        ("create", "--principal", "Chronos"),
        ("create", "--principal", "ann", "--scopes", "root"),
        ("create", "--principal", "ann", "--scopes", ""),
    ],
)
def test_a_key_that_cannot_be_is_refused_as_misuse(run, words):
    assert run("postgresql://nobody@127.0.0.1:1/none", keys, *words).exit_code == 2


@pytest.fixture
def sign_in(tmp_path):
    """Writes the file of a process's address."""

    def write(dsn: str, name: str) -> str:
        path = tmp_path / name
        path.write_text(dsn + "\n", encoding="utf-8")
        return str(path)

    return write


def test_roles_get_the_passwords_of_the_addresses(run, database, empty_database, sign_in):
    # Roles belong to the cluster: the passwords are those that all tests use.
    given = (database.writer_dsn, database.relay_dsn, database.reader_dsn)
    files = [sign_in(dsn, f"{number}.dsn") for number, dsn in enumerate(given)]
    options = [word for file in files for word in ("--sign-in", file)]

    told = run(empty_database, migrate, "up", "--json", *options)
    again = run(empty_database, migrate, "up", *options)

    assert json.loads(told.stdout)["sign_ins"] == [*roles.LOGIN_ROLES]
    assert [*json.loads(told.stdout)["applied"]]
    assert "chronos_relay signs in by its address from now on" in again.stdout
    for role in roles.LOGIN_ROLES:
        dsn = roles.role_dsn(empty_database, role, PASSWORD)
        assert asyncio.run(_signed_in_as(dsn)) == role


async def _signed_in_as(dsn: str) -> str:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return await connection.fetchval("SELECT current_user")
    finally:
        await connection.close(timeout=5)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://chronos_owner:geheim@127.0.0.1:1/none",
        "postgresql://chronos_writer@127.0.0.1:1/none",
        "postgresql://127.0.0.1:1/none",
        "postgresql://[geheim",
        "geheim",
    ],
)
def test_a_file_that_names_no_role_is_refused_before_anything_is_done(run, sign_in, dsn):
    refused = run(
        "postgresql://nobody@127.0.0.1:1/none", migrate, "up", "--sign-in", sign_in(dsn, "dsn")
    )

    assert isinstance(refused.exception, SettingFault)
    assert "--sign-in" in str(refused.exception)
    assert "geheim" not in str(refused.exception)


def test_two_files_with_one_role_are_refused(run, sign_in):
    dsn = "postgresql://chronos_writer:geheim@127.0.0.1:1/none"
    files = ("--sign-in", sign_in(dsn, "a"), "--sign-in", sign_in(dsn, "b"))

    refused = run("postgresql://nobody@127.0.0.1:1/none", migrate, "up", *files)

    assert "so does another file" in str(refused.exception)
