"""Finds the rooms that lie beside this package and puts them first on the path.

`agents`, `tables` and `web` are names that others use too. In a checkout the rooms lie beside
the package, in a wheel below `chronos/_home`. Every entry point calls `enter()` before it
imports one of them, so that a namesake in site-packages is never taken for ours.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from chronos.errors import ChronosError, MissingPart

ROOMS = ("agents", "tables", "web")
_PACKAGE = Path(__file__).resolve().parent


class ForeignRoom(ChronosError):
    """Says that a module of another program stands in the place of a room."""


def enter() -> Path:
    """Puts the folder of the rooms first on `sys.path` and gives it.

    Raises:
        MissingPart: The rooms are not there.
        ForeignRoom: A namesake was imported before, or is found in spite of the path.
    """
    home = home_folder()
    place = str(home)
    if sys.path[:1] != [place]:
        sys.path[:] = [place, *(entry for entry in sys.path if entry != place)]
    for room in ROOMS:
        _check(room, home)
    return home


def home_folder() -> Path:
    """Finds the folder that holds the rooms and the migrations.

    Raises:
        MissingPart: Neither the wheel's place nor the checkout's has them.
    """
    for home in (_PACKAGE / "_home", _PACKAGE.parent):
        if all((home / room / "__init__.py").is_file() for room in ROOMS):
            return home
    raise MissingPart(
        f"The folders {', '.join(ROOMS)} lie neither in {_PACKAGE / '_home'} nor in "
        f"{_PACKAGE.parent}: install the package anew, or run from a whole checkout."
    )


def code_folder() -> Path:
    """Gives the folder that holds this package, for the path of child processes."""
    return _PACKAGE.parent


def migrations_folder() -> Path:
    """Gives the folder of the migrations.

    Raises:
        MissingPart: It is not there.
    """
    folder = home_folder() / "migrations"
    if not folder.is_dir():
        raise MissingPart(f"{folder} is not there: install the package anew.")
    return folder


def _check(room: str, home: Path) -> None:
    loaded = sys.modules.get(room)
    spec = loaded.__spec__ if loaded is not None else importlib.util.find_spec(room)
    origin = spec.origin if spec is not None else None
    if origin is None or Path(origin).resolve().parent != (home / room).resolve():
        raise ForeignRoom(
            f"The module {room!r} comes from {origin} and not from {home / room}: run Chronos "
            "in an environment of its own, without the package that brings that module."
        )
