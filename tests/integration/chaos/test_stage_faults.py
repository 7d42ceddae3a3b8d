"""Links, disk, clocks and corruption on a real pipeline under a small load.

The loss of everything but PostgreSQL is left to the fault run, for the time that it takes.
"""

from __future__ import annotations

import os
from random import Random

import pytest

from chronos.chaos.fault import Phase
from chronos.chaos.faults import commanding, corruption
from chronos.chaos.faults.clock import clock_faults
from chronos.chaos.faults.corruption import corruption_faults
from chronos.chaos.faults.disk import disk_faults
from chronos.chaos.faults.network import network_faults
from chronos.chaos.injecting import Injector, sort_out
from chronos.chaos.scene import Scene
from chronos.chaos.schedule import Planned
from chronos.chaos.small_disk import SmallDisk
from chronos.chaos.wounds import Wounds
from chronos.embedded.report import Screen
from tests.integration.chaos.test_faults import money_that_moves

DISK_BYTES = 512 << 20
LASTS_S = 4.0
UNDER_LOAD = (
    "the link api to postgres carries nothing to the client",
    "the link relay to kafka is cut in silence",
    "every link to redis is reset and refuses connections",
    "PostgreSQL's disk is full, and its log needs room first",
    "the clocks swing by 5 s, ten times a second",
)
BALLAST = 60
"""Transfers before anything: so many events that an account begins before the last page."""


@pytest.fixture
async def scene(data_folder):
    with Screen() as screen:
        disk = SmallDisk(DISK_BYTES)
        async with Scene(data_folder, environment=os.environ, report=screen, disk=disk) as it:
            yield it


async def test_faults_of_the_stage_keep_their_promises(scene, client, monkeypatch):
    wounds = Wounds()
    injector = Injector(scene, wounds)
    possible, left_out = await sort_out(scene, known(wounds))
    assert {one.kind for one in left_out} <= {"T10"}
    faults = {fault.name: fault for fault in possible}

    async with money_that_moves(client):
        await promises_are_kept_under_load(injector, faults)
    for _ in range(BALLAST):
        await client.transfers.make("anna", "bela", amount=1, currency="EUR")
    await promises_are_kept_afterwards(injector, faults)
    await a_page_that_reads_well_is_told(injector, faults, monkeypatch)

    code, report = await commanding.chronos(scene, "verify", within_s=60)
    assert (code, report["findings"]) == (0, [])


def known(wounds):
    chance = Random(1)
    return (
        *network_faults(chance, wounds),
        *disk_faults(wounds),
        *clock_faults(chance, wounds),
        *corruption_faults(chance, wounds),
    )


async def promises_are_kept_under_load(injector, faults):
    chosen = [faults[name] for name in UNDER_LOAD if name in faults]
    plan = [
        Planned(fault=one, begin_s=0, duration_s=max(LASTS_S, one.least_s)) for one in chosen
    ]

    await injector.carry_out(plan, overlapping_max=1, span_s=600)

    injections = injector.injected.injections
    assert [one.name for one in injections] == [one.name for one in chosen]
    assert [one.failure for one in injections if one.failure] == []


async def promises_are_kept_afterwards(injector, faults):
    last = [fault for fault in faults.values() if fault.phase is Phase.AFTER]
    assert [fault.kind for fault in last] == ["T14", "T14"]

    await injector.in_turn(last)

    injections = injector.injected.injections[-len(last) :]
    assert [one.failure for one in injections if one.failure] == []
    notes = {one.name: one.note for one in injections}
    assert "read again" in notes["one byte of a page of events changes on the disk"]
    assert "named after" in notes["one byte of an event is changed by a superuser"]


async def a_page_that_reads_well_is_told(injector, faults, monkeypatch):
    """The fault believes that it damaged a page, and the account is read all the same."""

    async def damages_nothing(*_):
        return None

    monkeypatch.setattr(corruption, "_flip", damages_nothing)

    await injector.in_turn([faults["one byte of a page of events changes on the disk"]])

    assert "was read from a damaged page" in injector.injected.injections[-1].failure
