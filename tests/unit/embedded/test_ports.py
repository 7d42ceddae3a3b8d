from __future__ import annotations

import dataclasses
import json
import socket

import pytest

from chronos.embedded.ports import (
    API_PROCESSES_MAX,
    BALANCES_MAX,
    BLOCK_SIZE,
    Ports,
    check_free,
    choose_ports,
    is_free,
)
from chronos.errors import EmbeddedFault, SettingFault


@pytest.fixture
def listener():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_a_block_has_room_for_every_worker_and_process_without_overlap():
    ports = dataclasses.asdict(Ports.at(20_000))
    balances, admin = ports.pop("balances"), ports.pop("admin")
    every = [
        *ports.values(),
        *range(balances, balances + BALANCES_MAX),
        *range(admin, admin + API_PROCESSES_MAX),
    ]

    assert len(set(every)) == len(every)
    assert set(every) <= set(range(20_000, 20_000 + BLOCK_SIZE))


def test_ports_are_chosen_once_and_kept(tmp_path):
    first = choose_ports(tmp_path / "ports.json", 0)
    second = choose_ports(tmp_path / "ports.json", None)

    assert second == first


def test_without_a_base_the_doors_of_chronos_are_the_well_known_ones(tmp_path):
    ports = choose_ports(tmp_path / "ports.json", None)

    assert (ports.api, ports.balances, ports.mirror, ports.relay) == (8080, 6066, 6166, 6266)


def test_an_explicit_base_wins_over_the_kept_ports(tmp_path):
    choose_ports(tmp_path / "ports.json", 0)

    assert choose_ports(tmp_path / "ports.json", 14_000) == Ports.at(14_000)


@pytest.mark.parametrize("base", [1, 1023, 65_436, 70_000, -5])
def test_a_base_without_room_is_refused(tmp_path, base):
    with pytest.raises(SettingFault, match="--port"):
        choose_ports(tmp_path / "ports.json", base)


@pytest.mark.parametrize("text", ["", "[]", '{"api": 1}', json.dumps({"other": 1})])
def test_a_damaged_file_of_ports_is_named(tmp_path, text):
    (tmp_path / "ports.json").write_text(text)

    with pytest.raises(EmbeddedFault, match="remove that file"):
        choose_ports(tmp_path / "ports.json", None)


def test_a_busy_port_is_named_together_with_a_way_out(listener):
    assert not is_free(listener)
    with pytest.raises(EmbeddedFault, match=rf"Port {listener} \(Redis\).*--port \d+"):
        check_free(listener, "Redis")
