from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from chronos.cli.secret_files import command
from chronos.settings import Settings

NAMES = {
    "passwords.json", "owner.password", "owner.dsn", "writer.dsn", "relay.dsn", "reader.dsn",
    "redis.conf", "redis.url", "key.secret", "grafana.password",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "secrets"


def make(folder, *options: str):
    return CliRunner().invoke(command, [str(folder), *options])


def contents(folder) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_they_are_made_once_and_a_lost_one_again(folder):
    made = make(folder)
    before = contents(folder)
    (folder / "writer.dsn").unlink()
    again = make(folder)

    assert (made.exit_code, again.exit_code) == (0, 0)
    assert set(before) == NAMES
    assert contents(folder) == before
    assert not any(len(text) > 40 and text.strip() in made.output for text in before.values())


def test_processes_can_sign_in_by_them(folder):
    make(folder, "--postgres", "db:5433", "--redis", "cache:6380")

    settings = Settings.from_environment(
        {
            "CHRONOS_POSTGRES_DSN_FILE": str(folder / "relay.dsn"),
            "CHRONOS_WRITER_DSN_FILE": str(folder / "writer.dsn"),
            "CHRONOS_REDIS_URL_FILE": str(folder / "redis.url"),
        }
    )
    assert re.fullmatch(
        r"postgresql://chronos_relay:[^@/]{32}@db:5433/chronos", settings.postgres_dsn
    )
    assert settings.writer_dsn.startswith("postgresql://chronos_writer:")
    password = (folder / "redis.conf").read_text().split('"')[1]
    assert settings.redis_url == f"redis://:{password}@cache:6380/0"


def test_no_two_have_one_password(folder):
    make(folder)

    found = [re.search(r":([^:@/]+)@", text) for text in contents(folder).values()]
    passwords = [match[1] for match in found if match]
    assert len(passwords) == len(set(passwords)) == 5


def test_the_folder_is_its_owners_and_its_files_can_be_read_in_containers(folder):
    make(folder)

    assert folder.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes.pop("passwords.json") == 0o600
    assert set(modes.values()) == {0o444}


def test_an_open_folder_is_refused(folder):
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)

    refused = make(folder)

    assert "chmod 700" in str(refused.exception)
    assert contents(folder) == {}
