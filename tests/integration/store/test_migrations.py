"""The schema: made once, never edited, safe when two databases of a cluster make it at once."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import asyncpg
import pytest

from chronos.home import migrations_folder
from chronos.store import migrate, roles
from tests.databases import PASSWORD

CHECKS = migrations_folder() / "checks"


async def test_a_second_run_applies_nothing(empty_database):
    first = await migrate.migrate(empty_database)
    second = await migrate.migrate(empty_database)

    assert [m.number for m in first] == list(range(1, migrate.schema_number() + 1))
    assert second == []


async def test_two_runs_at_once_apply_each_file_once(empty_database):
    applied = await asyncio.gather(*(migrate.migrate(empty_database) for _ in range(4)))

    assert sorted(len(run) for run in applied) == [0, 0, 0, migrate.schema_number()]


async def test_two_databases_of_one_cluster_migrate_at_once(cluster_dsn):
    names = [f"twin_{os.getpid()}_{number}" for number in range(4)]
    owner = await asyncpg.connect(cluster_dsn)
    try:
        for name in names:
            await owner.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            await owner.execute(f"CREATE DATABASE {name}")

        applied = await asyncio.gather(
            *(migrate.migrate(roles.database_dsn(cluster_dsn, name)) for name in names)
        )

        assert {len(run) for run in applied} == {migrate.schema_number()}
    finally:
        for name in names:
            await owner.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await owner.close()


async def test_an_edited_migration_is_refused(empty_database, tmp_path: Path):
    folder = tmp_path / "migrations"
    shutil.copytree(migrations_folder(), folder)
    await migrate.migrate(empty_database, folder=folder)
    edited = folder / "0002_journal.sql"
    edited.write_text(edited.read_text(encoding="utf-8") + "\n", encoding="utf-8")

    with pytest.raises(migrate.MigrationFault, match=r"0002 \(journal\) was changed"):
        await migrate.migrate(empty_database, folder=folder)


async def test_a_database_from_a_later_version_is_refused(empty_database, tmp_path: Path):
    folder = tmp_path / "migrations"
    shutil.copytree(migrations_folder(), folder)
    later = folder / f"{migrate.schema_number() + 1:04}_later.sql"
    later.write_text("SELECT 1;", encoding="utf-8")
    await migrate.migrate(empty_database, folder=folder)

    with pytest.raises(migrate.MigrationFault, match="does not know"):
        await migrate.migrate(empty_database)


async def test_a_migration_that_fails_leaves_nothing_behind(empty_database, tmp_path: Path):
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_half.sql").write_text(
        "CREATE TABLE half (number integer); SELECT 1 / 0;", encoding="utf-8"
    )

    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate.migrate(empty_database, folder=folder)

    states = await migrate.status(empty_database, folder=folder)
    assert [state.applied_at for state in states] == [None]


async def test_each_migration_passes_its_check_right_after_it(empty_database, tmp_path: Path):
    for migration in migrate.read_migrations():
        name = f"{migration.number:04}_{migration.name}.sql"
        shutil.copy(migrations_folder() / name, tmp_path / name)

        await migrate.migrate(empty_database, folder=tmp_path)

        assert await _wrong(empty_database, _queries(CHECKS / name)) == []


def test_there_is_no_check_without_its_migration():
    names = {f"{m.number:04}_{m.name}.sql" for m in migrate.read_migrations()}

    assert {path.name for path in CHECKS.iterdir()} == names


def _queries(check: Path) -> list[str]:
    return [query for query in check.read_text(encoding="utf-8").split(";") if query.strip()]


async def _wrong(dsn: str, queries: list[str]) -> list[str]:
    owner = await asyncpg.connect(dsn)
    try:
        return [row["wrong"] for query in queries for row in await owner.fetch(query)]
    finally:
        await owner.close()


async def test_a_schema_is_not_changed_under_a_process_that_writes(
    empty_database, tmp_path: Path
):
    folder = tmp_path / "migrations"
    shutil.copytree(migrations_folder(), folder)
    await migrate.migrate(empty_database, folder=folder)
    await roles.set_passwords(empty_database, {roles.WRITER: PASSWORD})
    later = folder / f"{migrate.schema_number() + 1:04}_later.sql"
    later.write_text("SELECT 1;\n", encoding="utf-8")
    writer = await asyncpg.connect(roles.role_dsn(empty_database, roles.WRITER, PASSWORD))
    try:
        with pytest.raises(migrate.MigrationFault, match="1 sessions of chronos_writer"):
            await migrate.migrate(empty_database, folder=folder)
    finally:
        await writer.close()

    async with asyncio.timeout(10):
        while True:
            try:
                applied = await migrate.migrate(empty_database, folder=folder)
            except migrate.MigrationFault:  # the server has not noticed yet
                await asyncio.sleep(0.05)
            else:
                break
    assert [migration.name for migration in applied] == ["later"]
