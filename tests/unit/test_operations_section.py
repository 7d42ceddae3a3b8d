"""The numbers of README's section on limits, compared with the code and the containers."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator

import pytest

from chronos.embedded.machine import MEMORY_BYTES_MIN
from chronos.settings import PREFIX, Settings
from chronos.stream.app import table_options
from tests.compose_file import PROCESSES, ROOT, SERVERS, service, size_bytes

HEADING = "### Limits, time-outs and memory"
ROW = re.compile(r"^\| `?([^`|]+?)`? \| (\d+)(?: (\w+))? \| .+ \|$", re.MULTILINE)
UNIT_OF_SUFFIX = {"_S": "s", "_MS": "ms"}


def section() -> str:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    start = text.index(HEADING)
    rest = text[start + len(HEADING) :]
    end = re.search(r"^Each room has a short README|^#", rest, re.MULTILINE)
    return rest[: end.start()]


def rows() -> Iterator[tuple[str, int, str]]:
    for name, value, unit in ROW.findall(section()):
        yield name, int(value), unit


CODE_ROWS = [row for row in rows() if row[0].startswith(PREFIX) or "/" in row[0]]
CONTAINER_ROWS = [row for row in rows() if row not in CODE_ROWS]


def test_every_row_of_every_table_is_compared():
    lines = [line for line in section().splitlines() if line.startswith("| ")]
    headers = [line for line in lines if line.split(" | ")[1] in {"default", "limit"}]

    assert len(lines) - len(headers) == len(CODE_ROWS) + len(CONTAINER_ROWS)
    assert len(CODE_ROWS) > 30


@pytest.mark.parametrize(("name", "value", "unit"), CODE_ROWS)
def test_the_number_is_the_codes(name, value, unit):
    if name.startswith(PREFIX):
        known = Settings().to_environment()[name]
    else:
        file, constant = name.split(" ")
        module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
        known = vars(module)[constant]
    named = name.rpartition(" ")[2].removesuffix("_MAX")

    assert float(known) == value
    wanted = UNIT_OF_SUFFIX.get(named[named.rfind("_") :], "")
    assert unit == wanted or (unit, named[-6:]) == ("bytes", "_BYTES")


@pytest.mark.parametrize(("name", "value", "unit"), CONTAINER_ROWS)
def test_the_limit_is_the_containers(name, value, unit):
    limit = service(name)["deploy"]["resources"]["limits"]["memory"]

    assert (unit, value << 20) == ("MiB", size_bytes(limit))


def test_every_container_that_stays_up_has_its_row():
    # The second balances worker is as the first.
    assert {name for name, _, _ in CONTAINER_ROWS} == {*SERVERS, *PROCESSES} - {"balances-1"}


def test_what_the_prose_says_is_so_too():
    text = " ".join(section().split())
    per_api = (
        Settings().writer_lanes + Settings().reader_connections_max + _of("KEY_CONNECTIONS_MAX")
    )
    options = table_options()

    assert f"{per_api} for each API process" in text
    assert f"less than {MEMORY_BYTES_MIN >> 20} MiB available" in text
    assert f"up to {options['max_open_files']} RocksDB files" in text
    assert f"for all {Settings().partitions}" in text
    assert f"{int(str(options['block_cache_size'])) >> 20} MiB of RocksDB's cache" in text
    assert f"gives {service('api')['ulimits']['nofile']:,})" in text


def _of(name: str) -> int:
    return vars(importlib.import_module("chronos.store.opening"))[name]


def test_no_process_is_said_to_check_what_none_checks():
    sources = [
        path.read_text(encoding="utf-8")
        for room in ("chronos", "agents", "web", "tables")
        for path in (ROOT / room).rglob("*.py")
    ]

    assert "No process looks at `ulimit -n`" in section()
    assert not any("RLIMIT_NOFILE" in text for text in sources)
