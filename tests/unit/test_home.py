from __future__ import annotations

import sys
from types import ModuleType

import pytest

from chronos import home
from chronos.errors import MissingPart
from chronos.home import ForeignRoom, enter, home_folder, migrations_folder


@pytest.fixture
def path(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    return sys.path


def test_the_folder_of_the_rooms_is_put_first(path):
    path.insert(0, "/elsewhere")

    found = enter()

    assert path[0] == str(found)
    assert path.count(str(found)) == 1


def test_the_migrations_lie_beside_the_rooms():
    assert migrations_folder() == home_folder() / "migrations"


def test_a_namesake_that_was_imported_before_is_refused(path, monkeypatch):
    foreign = ModuleType("tables")
    foreign.__spec__ = type("Spec", (), {"origin": "/site-packages/tables/__init__.py"})()
    monkeypatch.setitem(sys.modules, "tables", foreign)

    with pytest.raises(ForeignRoom, match="'tables' comes from /site-packages"):
        enter()

    assert path


def test_a_package_without_its_rooms_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(home, "_PACKAGE", tmp_path / "chronos")

    with pytest.raises(MissingPart, match="agents, tables, web"):
        home_folder()


def test_the_rooms_of_a_wheel_are_found_inside_the_package(tmp_path, monkeypatch):
    package = tmp_path / "chronos"
    for room in home.ROOMS:
        (package / "_home" / room).mkdir(parents=True)
        (package / "_home" / room / "__init__.py").touch()
    monkeypatch.setattr(home, "_PACKAGE", package)

    assert home_folder() == package / "_home"
