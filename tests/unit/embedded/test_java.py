from __future__ import annotations

import dataclasses

import pytest

from chronos.embedded.java import Java, find_java, read_modules
from chronos.embedded.machine import Machine
from chronos.errors import SettingFault

LISTING = "java.base@25.0.2\njava.logging@25.0.2\njdk.unsupported@25.0.2\n"


def test_the_release_and_the_modules_are_read_from_the_listing():
    release, modules = read_modules(LISTING)

    assert release == 25
    assert modules == {"java.base", "java.logging", "jdk.unsupported"}


def test_something_else_than_a_listing_is_no_java():
    assert read_modules("usage: java …") is None


@pytest.mark.parametrize(("release", "options"), [(17, 0), (21, 0), (24, 2), (25, 2)])
def test_only_newer_releases_are_asked_to_be_quiet(tmp_path, release, options):
    java = Java(home=tmp_path, release=release, modules=frozenset())

    assert len(java.quiet_options) == options


async def test_a_java_that_is_too_old_is_refused_when_it_was_asked_for(tmp_path):
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho java.base@11.0.2\n")
    program.chmod(0o755)
    machine = dataclasses.replace(
        Machine.detect({"HOME": str(tmp_path)}), java=str(tmp_path), run_as=None
    )

    with pytest.raises(SettingFault, match="CHRONOS_JAVA"):
        await find_java(machine)


async def test_a_java_that_was_asked_for_wins(tmp_path):
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat << END\n{LISTING}END\n")
    program.chmod(0o755)
    machine = dataclasses.replace(
        Machine.detect({"HOME": str(tmp_path)}), java=str(program), run_as=None
    )

    java = await find_java(machine)

    assert (java.home, java.release) == (tmp_path, 25)
