"""`METRICS.md` against the registry of each kind of process, made as its process makes it."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chronos.api.table import ROUTES
from chronos.domain import commands, events
from chronos.domain.rejections import RejectionCode
from chronos.rpc.methods import METHODS
from chronos.telemetry.exposed import SHOWN_BY, Process, processes_of
from chronos.wire.problems import PROBLEMS
from tests.metrics_table import PROCESSES, rows
from web.routes.table import ROUTES as VIEWS

ROOT = Path(__file__).resolve().parents[3]
DEADLINE_S = 120
# A fresh interpreter each: which modules a process imports is part of what it shows.
TELL = """
import json, sys
from pathlib import Path
kind, folder = sys.argv[1], Path(sys.argv[2])
if kind == "api":
    import chronos.assembly.api
else:
    from chronos.assembly.worker import build_app
    from chronos.settings import Settings
    (folder / "key-secret").write_bytes(b"only for tests, and long enough for one")
    build_app(Settings(key_secret_file=folder / "key-secret", state_dir=folder), kind)
from chronos.telemetry.exposed import Process, exposition_of
from chronos.telemetry.metrics import REGISTRY
labels = {
    family._name: family._labelnames
    for family in REGISTRY._collector_to_names
    if hasattr(family, "_labelnames")
}
text = exposition_of(Process(kind)).decode()
print(json.dumps({"text": text, "labels": labels, "all": [f.name for f in REGISTRY.collect()]}))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """By kind of process: its `/metrics`, the labels of each family, every family it knows."""

    folders = {kind: tmp_path_factory.mktemp(kind) for kind in PROCESSES}

    def tell(kind):
        command = [sys.executable, "-c", TELL, kind, str(folders[kind])]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, check=False, timeout=DEADLINE_S
        )
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout.splitlines()[-1])

    with ThreadPoolExecutor() as pool:
        return dict(zip(PROCESSES, pool.map(tell, PROCESSES), strict=True))


def heads(text, word):
    """What the lines `# HELP` or `# TYPE` say, by metric."""
    lines = (line.split(" ", 3) for line in text.splitlines() if line.startswith(f"# {word} "))
    return {name: said for _, _, name, said in lines}


@pytest.mark.parametrize("process", PROCESSES)
def test_the_table_lists_what_the_process_shows(told, process):
    text, table = told[process]["text"], rows()

    wanted = {name: row for name, row in table.items() if process in row.processes}
    assert heads(text, "TYPE") == {name: row.type for name, row in wanted.items()}
    assert heads(text, "HELP") == {name: row.meaning for name, row in wanted.items()}


@pytest.mark.parametrize("process", PROCESSES)
def test_the_table_names_the_labels_that_a_family_has(told, process):
    labels, table = told[process]["labels"], rows()

    for name, row in table.items():
        found = labels.get(name.removesuffix("_total"))
        if process in row.processes and found is not None:
            assert list(row.labels) == found, name


@pytest.mark.parametrize("process", PROCESSES)
def test_every_family_that_a_process_knows_belongs_to_some_kind_of_process(told, process):
    assert [name for name in told[process]["all"] if not processes_of(name)] == []


def test_every_beginning_of_a_name_is_in_use():
    names = list(rows())

    assert [b for b in SHOWN_BY if not any(name.startswith(b) for name in names)] == []
    assert {process.value for process in Process} == set(PROCESSES)


def test_names_follow_the_conventions():
    for name, row in rows().items():
        assert name.startswith(("chronos_", "process_", "python_"))
        assert name.endswith("_total") == (row.type == "counter"), name
        assert not name.endswith(("_ms", "_kb", "_mb", "_percent")), name


def test_bounds_of_labels_hold_what_the_code_can_say():
    table = rows()

    def most(metric, label):
        return table[metric].labels[label]

    assert most("chronos_http_requests_total", "route") >= len(ROUTES) + 1
    assert most("chronos_http_problems_total", "code") >= len(PROBLEMS)
    assert most("chronos_rejections_total", "code") >= len(RejectionCode)
    assert most("chronos_commands_total", "command") >= len(commands.Command.__args__) + 1
    assert most("chronos_append_events_total", "type") >= len(events.Event.__args__)
    assert most("chronos_query_answers_total", "view") >= len(VIEWS)
    assert most("chronos_rpc_calls_total", "method") >= len(METHODS)


def test_no_label_can_name_an_account_and_no_metric_grows_without_bound():
    for name, row in rows().items():
        assert not {"account", "account_id", "key", "path", "principal"} & set(row.labels), name
        assert row.series_max <= 10_000, name
