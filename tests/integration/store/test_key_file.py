"""A key in a file: valid when it is there, whatever happened on the way, and never replaced."""

from __future__ import annotations

import errno
import json

import pytest
from click.testing import CliRunner

from chronos.auth.keys import new_key
from chronos.cli import key_file, keys
from chronos.errors import SettingFault, Unavailable
from chronos.store.api_keys import ApiKeyOffice

SECRET = "5" * 64
WANTED = ("--principal", "load", "--scopes", "write,read")


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "kept"
    folder.mkdir()
    return folder / "load.key"


@pytest.fixture
def run(tmp_path, database):
    def runner(*words, secret=SECRET):
        (tmp_path / "key.secret").write_text(secret, encoding="utf-8")
        environment = {
            "CHRONOS_POSTGRES_DSN": database.owner_dsn,
            "CHRONOS_KEY_SECRET_FILE": str(tmp_path / "key.secret"),
            "CHRONOS_DATA_DIR": None,
        }
        return CliRunner().invoke(keys.command, words, env=environment)

    return runner


@pytest.fixture
def make(run, path):
    """Keeps a key in the file; gives its id, which the text in the file has too."""

    def maker(*wanted: str) -> str:
        told = run("create", *(wanted or WANTED), "--file", str(path), "--json")
        assert told.exit_code == 0, told.exception
        assert path.read_text().strip() not in told.stdout
        key_id = json.loads(told.stdout)["key_id"]
        assert path.read_text().startswith(f"chk_{key_id}_")
        assert [one.name for one in path.parent.iterdir()] == [path.name]
        return key_id

    return maker


@pytest.fixture
def valid(run):
    """Gives the keys that are not revoked, with whose they are."""

    def lister() -> dict[str, str]:
        listed = json.loads(run("list", "--json").stdout)["keys"]
        return {key["key_id"]: key["principal"] for key in listed if not key["revoked_at"]}

    return lister


def refused(told) -> str:
    assert isinstance(told.exception, SettingFault)
    return str(told.exception)


def failing(error):
    def fail(*_, **__):
        raise error

    return fail


async def adding_fails(*_, **__):
    raise Unavailable("postgresql", "it went away")


def test_a_key_is_kept_in_a_file_of_its_owner_and_made_once(make, path, valid):
    first = make()
    text = path.read_text()

    assert make() == first
    assert path.read_text() == text
    assert path.stat().st_mode & 0o777 == 0o600
    assert valid() == {first: "load"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "holds no API key"),
        ("chk_nonsense", "holds no API key"),
        ("x" * 5000, "holds no API key"),
        (new_key(SECRET.encode()).text, "which this database does not know"),
    ],
    ids=["empty", "no key", "long", "unknown key"],
)
def test_a_file_with_something_else_is_refused_and_left(run, path, valid, text, why):
    path.write_text(text)

    told = refused(run("create", *WANTED, "--file", str(path)))

    assert why in told
    assert "move it away or name another file" in told
    assert path.read_text() == text
    assert valid() == {}


def test_a_key_that_is_no_more_the_wanted_one_is_refused_and_left(make, run, path, valid):
    key_id, text = make(), path.read_text()

    def told(*words, **options):
        return refused(run("create", *words, "--file", str(path), **options))

    assert "which is of load (read, write)" in told("--principal", "ann")
    assert "which is of load" in told("--principal", "load", "--scopes", "read")
    assert "present secret" in told(*WANTED, secret="6" * 64)
    letter = "A" if text[-2] != "A" else "B"
    path.write_text(text[:-2] + letter + "\n")
    assert "present secret" in told(*WANTED)
    path.write_text(text)
    assert valid() == {key_id: "load"}
    run("revoke", key_id)
    assert "which was revoked at" in told(*WANTED)
    assert path.read_text() == text
    assert valid() == {}


def test_a_full_disk_makes_no_key(make, run, path, valid, monkeypatch):
    with monkeypatch.context() as full:
        full.setattr(
            key_file.os, "fsync", failing(OSError(errno.ENOSPC, "No space left on device"))
        )
        told = refused(run("create", *WANTED, "--file", str(path)))

    assert "cannot be written (No space left on device)" in told
    assert valid() == {}
    assert not path.exists()
    assert {make(): "load"} == valid()


def test_a_folder_that_is_not_there_makes_no_key(run, path, valid):
    told = refused(run("create", *WANTED, "--file", str(path.parent / "none" / "key")))

    assert "cannot be written (No such file or directory)" in told
    assert valid() == {}


def test_a_run_that_ended_before_the_database_knew_is_run_again(
    make, run, path, valid, monkeypatch
):
    with monkeypatch.context() as broken:
        broken.setattr(ApiKeyOffice, "add", adding_fails)
        assert isinstance(run("create", *WANTED, "--file", str(path)).exception, Unavailable)

    assert not path.exists()
    assert valid() == {}
    assert {make(): "load"} == valid()


@pytest.fixture
def left(run, path, monkeypatch):
    """A run that was killed when the database knew its key and the file was not there yet."""
    with monkeypatch.context() as broken:
        broken.setattr(key_file._Staging, "publish", failing(KeyboardInterrupt))
        run("create", *WANTED, "--file", str(path))
    assert not path.exists()


@pytest.mark.usefixtures("left")
def test_a_run_that_ended_before_the_file_was_there_is_run_again(make, valid):
    before = valid()

    assert {make(): "load"} == before
    assert valid() == before


@pytest.mark.usefixtures("left")
def test_what_such_a_run_left_is_revoked_when_another_key_is_wanted(make, valid):
    key_id = make("--principal", "ann")

    assert valid() == {key_id: "ann"}


def test_two_runs_at_once_make_one_key(make, run, path, valid):
    with key_file._beside(path):
        told = refused(run("create", *WANTED, "--file", str(path)))

    assert "is being made by another run" in told
    assert valid() == {}
    assert {make(): "load"} == valid()


def test_a_link_in_the_place_of_the_file_beside_is_not_followed(run, path, valid, tmp_path):
    path.with_name(".load.key.new").symlink_to(tmp_path / "elsewhere")

    assert "cannot be written" in refused(run("create", *WANTED, "--file", str(path)))
    assert not (tmp_path / "elsewhere").exists()
    assert valid() == {}
