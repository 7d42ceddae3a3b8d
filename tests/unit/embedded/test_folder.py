from __future__ import annotations

import asyncio
import os
import stat
import sys
import tempfile
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from chronos.embedded.folder import DataFolder, FolderLock
from chronos.embedded.machine import RunAs, reaches
from chronos.embedded.passwords import Passwords, keep_key_secret
from chronos.errors import EmbeddedFault

DEAD = """
import fcntl, os, sys
handle = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(handle, fcntl.LOCK_EX)
os.pwrite(handle, b"%d\\n" % int(sys.argv[2]), 0)
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path):
    made = DataFolder(tmp_path / "data")
    made.make(None)
    return made


def test_a_folder_that_holds_other_files_is_refused(tmp_path):
    (tmp_path / "letter.txt").write_text("mine")

    with pytest.raises(EmbeddedFault, match="not of Chronos"):
        DataFolder(tmp_path).make(None)

    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(EmbeddedFault, match="cannot be used"):
        DataFolder(tmp_path / "file" / "data").make(None)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends servers another account")
def test_servers_that_cannot_enter_the_folder_work_in_a_stand_in(tmp_path, monkeypatch):
    tmp_path.chmod(0o700)
    with tempfile.TemporaryDirectory() as open_to_all:
        Path(open_to_all).chmod(0o755)
        monkeypatch.setattr("chronos.embedded.folder._STAND_INS", Path(open_to_all))
        nobody = RunAs(name="nobody", uid=65534, gid=65534)
        folder = DataFolder(tmp_path / "data")
        folder.make(nobody)

        place = folder.server("postgres", nobody)

        assert reaches(nobody, place)
        assert place.parent == folder.stand_in
        assert folder.server("redis", nobody).parent == place.parent
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends servers another account")
def test_data_that_servers_cannot_enter_any_more_is_not_left_for_a_stand_in():
    nobody = RunAs(name="nobody", uid=65534, gid=65534)
    with tempfile.TemporaryDirectory() as above:
        Path(above).chmod(0o755)
        folder = DataFolder(Path(above) / "data")
        folder.make(nobody)
        assert folder.server("postgres", nobody).parent == folder.path
        Path(above).chmod(0o700)

        with pytest.raises(EmbeddedFault, match=r"cannot enter .* any more"):
            folder.server("postgres", nobody)

        assert folder.stand_in is None


def test_a_folder_named_from_here_is_the_same_for_those_who_stand_elsewhere(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)

    assert DataFolder(Path("bank")).path == tmp_path / "bank"


async def test_a_second_instance_on_one_folder_is_refused(folder):
    first, second = FolderLock(folder), FolderLock(folder)
    await first.take()

    with pytest.raises(EmbeddedFault, match=rf"process {os.getpid()}"):
        await second.take()

    first.release()
    await second.take()
    second.release()


async def test_the_lock_of_a_dead_instance_is_waited_for_while_its_watchdog_works(folder):
    # The holder named in the file is dead; the process that still holds it lets go at the end
    # of its input, as a watchdog does when it has ended the children.
    gone = await asyncio.create_subprocess_exec(sys.executable, "-c", "pass")
    await gone.wait()
    watchdog = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", DEAD, folder.path / "chronos.lock", str(gone.pid)),
        stdin=PIPE,
        stdout=PIPE,
    )
    assert await watchdog.stdout.readline() == b"locked\n"
    lock = FolderLock(folder)

    async with asyncio.TaskGroup() as tasks:
        taken = tasks.create_task(lock.take())
        await asyncio.sleep(0)  # Lets it try once, in vain.
        assert not taken.done()
        watchdog.stdin.close()

    lock.release()
    await watchdog.wait()


def test_secrets_are_made_once_and_only_their_owner_reads_them(folder):
    first = Passwords.kept(folder.run / "secrets.json")
    keep_key_secret(folder.key_secret)
    secret = folder.key_secret.read_text()

    keep_key_secret(folder.key_secret)

    assert Passwords.kept(folder.run / "secrets.json") == first
    assert folder.key_secret.read_text() == secret
    assert len({first.owner, first.writer, first.relay, first.reader, first.redis}) == 5
    for path in (folder.run / "secrets.json", folder.key_secret):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_passwords_do_not_show_in_a_representation(folder):
    made = Passwords.kept(folder.run / "secrets.json")

    assert made.owner not in repr(made)
