"""Which processes a command looks at where the settings' addresses name them."""

from __future__ import annotations

import dataclasses
import json

import pytest

from chronos.cli.instance import find_place
from tests.unit.embedded.test_addresses import ADDRESSES


@pytest.fixture
def by_address(monkeypatch):
    def place(**variables):
        given = {"API_KEY": "chk_x", "API_HOST": "api", "WEB_HOST": "workers"} | variables
        for name, text in given.items():
            monkeypatch.setenv(f"CHRONOS_{name}", text)
        return find_place(None, ())

    return place


def test_one_of_each_is_looked_at_unless_more_are_named(by_address):
    place = by_address()

    assert {one.name: one.url for one in place.processes} == {
        "api-0": "http://api:8090",
        "relay": "http://workers:6266",
        "balances": "http://workers:6066",
        "mirror": "http://workers:6166",
    }
    assert place.queries == ("http://workers:6066",)


def test_every_balances_worker_and_api_process_is_looked_at(by_address):
    place = by_address(BALANCES_WORKERS="3", API_PROCESSES="2")

    assert [(one.name, one.url) for one in place.processes] == [
        ("api-0", "http://api:8090"),
        ("api-1", "http://api:8091"),
        ("relay", "http://workers:6266"),
        ("balances", "http://workers:6066"),
        ("balances-2", "http://workers:6067"),
        ("balances-3", "http://workers:6068"),
        ("mirror", "http://workers:6166"),
    ]
    assert place.queries == tuple(f"http://workers:{port}" for port in (6066, 6067, 6068))


def test_an_instance_has_its_own_count_of_shards_whatever_is_set_here(tmp_path, monkeypatch):
    monkeypatch.setenv("CHRONOS_RELAY_SHARDS", "3")
    path = tmp_path / "run" / "addresses.json"
    path.parent.mkdir()

    dataclasses.replace(ADDRESSES, pids={}).write(path)
    own = find_place(tmp_path, ()).relay_shards
    older = {k: v for k, v in json.loads(path.read_text()).items() if k != "relay_shards"}
    path.write_text(json.dumps(older))

    assert own == ADDRESSES.relay_shards == 4
    # A file of an older release does not tell it.
    assert find_place(tmp_path, ()).relay_shards == 3
