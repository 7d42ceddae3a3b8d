from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

import pytest

from chronos.embedded import machine as machines
from chronos.embedded.machine import (
    Machine,
    RunAs,
    check_disk,
    check_memory,
    copied_if_hidden,
    enters,
    reaches,
)
from chronos.errors import EmbeddedFault, SettingFault

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root lends servers an account")
NOBODY = RunAs(name="nobody", uid=65534, gid=65534)


@pytest.fixture
def hidden(tmp_path):
    """A folder that only root enters, as root's home is."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


def test_explicit_places_win(tmp_path):
    found = Machine.detect(
        {"CHRONOS_CACHE_DIR": str(tmp_path / "cache"), "HOME": str(tmp_path), "PATH": "/bin"}
    )

    assert found.cache == tmp_path / "cache"
    assert found.path == "/bin"


def test_the_usual_places_follow_the_home_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setattr(machines, "_run_as", lambda _name: None)

    found = Machine.detect({"HOME": str(tmp_path)})

    assert found.cache == tmp_path / ".cache" / "chronos"
    assert found.data == tmp_path / ".local" / "share" / "chronos"


@AS_ROOT
def test_a_closed_home_of_root_is_avoided(hidden):
    found = Machine.detect({"HOME": str(hidden)})

    assert found.cache == Path("/var/cache/chronos")
    assert found.data == Path("/var/lib/chronos")


@AS_ROOT
@pytest.mark.parametrize("name", ["no-such-account", "root"])
def test_an_account_that_cannot_run_servers_is_refused(name):
    with pytest.raises(SettingFault, match="CHRONOS_RUN_AS"):
        Machine.detect({"CHRONOS_RUN_AS": name})


@AS_ROOT
def test_reach_is_tried_as_the_other_account(hidden):
    (hidden / "file").write_text("x")

    assert reaches(NOBODY, Path("/"))
    assert not reaches(NOBODY, hidden / "file")
    assert not enters(NOBODY, hidden / "not" / "yet" / "made")


@AS_ROOT
def test_a_hidden_program_is_copied_once_and_keeps_its_mode(hidden):
    program = hidden / "bin" / "server"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    (program.parent / "notes").write_text("text")
    shared = Path("/tmp") / f"chronos-copy-{os.getpid()}"  # noqa: S108 - open to the account
    found = Machine.detect({"CHRONOS_CACHE_DIR": str(shared), "HOME": str(hidden)})

    try:
        first = copied_if_hidden(found, "server-1", (program.parent,))
        second = copied_if_hidden(found, "server-1", (program.parent,))

        assert first == second == shared / "programs" / "server-1"
        assert reaches(NOBODY, first / "bin" / "server")
        assert os.access(first / "bin" / "server", os.X_OK)
        assert (first / "bin" / "notes").stat().st_mode & 0o777 == 0o644
        assert program.stat().st_mode & 0o777 == 0o700
    finally:
        shutil.rmtree(shared, ignore_errors=True)


def test_a_program_in_reach_is_used_where_it_is(tmp_path):
    (tmp_path / "bin").mkdir()
    found = Machine.detect({"CHRONOS_CACHE_DIR": str(tmp_path / "cache")})
    open_to_me = dataclasses.replace(found, run_as=None)

    assert copied_if_hidden(open_to_me, "server-1", (tmp_path / "bin",)) == tmp_path
    assert not (tmp_path / "cache").exists()


def test_too_little_memory_is_said_with_both_numbers(monkeypatch):
    monkeypatch.setattr(machines, "available_memory", lambda: 700 << 20)

    with pytest.raises(EmbeddedFault, match=r"Only 700 MiB .* need 1536 MiB"):
        check_memory()


def test_an_unknown_amount_of_memory_is_no_fault(monkeypatch):
    monkeypatch.setattr(machines, "available_memory", lambda: None)

    check_memory()


def test_a_nearly_full_disk_is_said_before_anything_starts(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=100 << 20)
    monkeypatch.setattr(machines.shutil, "disk_usage", lambda _path: usage)

    with pytest.raises(EmbeddedFault, match=r"Only 100 MiB are free.*--data"):
        check_disk(tmp_path)
