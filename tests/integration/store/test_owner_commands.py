"""`chronos migrate` and `chronos keys`, as the owner of a database runs them."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from chronos.cli import keys, migrate
from chronos.store.migrate import schema_number


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
