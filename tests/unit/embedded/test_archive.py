"""The archive of PostgreSQL's log: whole files only, each once, in whatever folder."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chronos.embedded.archive import archive_settings, recovery_settings
from chronos.embedded.machine import Machine
from chronos.errors import SettingFault

STRANGE = 'it\'s 100% "safe" $HOME;'
SEGMENT = "000000010000000000000001"


@pytest.fixture
def machine(tmp_path):
    made = Machine.detect({"HOME": str(tmp_path)})
    # Tests run as whom they run: the servers' account may not enter pytest's folders.
    return replace(made, run_as=None, wal_archive=tmp_path / STRANGE)


def command_of(settings, name):
    (line,) = [line for line in settings.splitlines() if line.startswith(f"{name} = ")]
    quoted = line.partition(" = ")[2]
    assert (quoted[0], quoted[-1]) == ("'", "'")
    return quoted[1:-1].replace("''", "'").replace("\\\\", "\\")


def run(command, path):
    """Does what PostgreSQL does with a command."""
    escapes = {"%%": "%", "%p": str(path), "%f": SEGMENT}
    text, rest = "", command
    while rest:
        two = rest[:2]
        text, rest = text + escapes.get(two, rest[0]), rest[2 if two in escapes else 1 :]
    return subprocess.run(["/bin/sh", "-c", text], check=False).returncode


def test_a_file_is_archived_once_and_never_replaced_by_another(machine, tmp_path):
    command = command_of(archive_settings(machine), "archive_command")
    segment = tmp_path / "segment"
    segment.write_bytes(b"first")

    assert run(command, segment) == 0
    assert run(command, segment) == 0, "again, after a crash before it was noted"
    segment.write_bytes(b"other")
    assert run(command, segment) != 0

    assert [(f.name, f.read_bytes()) for f in (tmp_path / STRANGE).iterdir()] == [
        (SEGMENT, b"first")
    ]


def test_a_file_that_is_not_archived_is_missed_and_one_that_is_comes_back(machine, tmp_path):
    archive_settings(machine)
    settings = recovery_settings(machine, tmp_path / STRANGE, None)
    command = command_of(settings, "restore_command")

    assert run(command, tmp_path / "wanted") != 0
    (tmp_path / STRANGE / SEGMENT).write_bytes(b"log")
    assert run(command, tmp_path / "wanted") == 0

    assert (tmp_path / "wanted").read_bytes() == b"log"


def test_without_an_archive_nothing_is_kept_and_a_restore_still_has_its_own_timeline(machine):
    assert archive_settings(replace(machine, wal_archive=None)) == "archive_mode = off\n"
    settings = recovery_settings(machine, None, datetime(2031, 5, 6, 7, tzinfo=UTC))

    assert "restore_command = 'false'" in settings
    assert "recovery_target_action = 'promote'" in settings
    assert "recovery_target_time = '2031-05-06T07:00:00+00:00'" in settings


def test_a_folder_that_cannot_be_used_is_named(machine, tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(SettingFault, match=r"CHRONOS_WAL_ARCHIVE: .* cannot be made"):
        archive_settings(replace(machine, wal_archive=tmp_path / "file" / "wal"))
    with pytest.raises(SettingFault, match="cannot read a folder"):
        recovery_settings(machine, tmp_path / "nowhere", None)
