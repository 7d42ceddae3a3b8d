"""Faults on a real pipeline under a small load: each sees whether its promise is kept."""

from __future__ import annotations

import asyncio
import contextlib
from random import Random

from chronos.chaos.fault import Phase
from chronos.chaos.faults import following
from chronos.chaos.faults.copies import copy_faults
from chronos.chaos.faults.read_models import read_model_faults
from chronos.chaos.faults.relays import relay_faults
from chronos.chaos.faults.unsafe_settings import unsafe_settings
from chronos.chaos.faults.write_side import write_side_faults
from chronos.chaos.injecting import Injector
from chronos.chaos.schedule import Planned
from chronos.chaos.wounds import Wounds
from tests.integration.chaos.conftest import eventually

PAUSE_BETWEEN_TRANSFERS_S = 0.05
LASTS_S = 2.0
WANTED = (
    "the relay is killed",
    "Redis forgets everything",
    "one balances worker becomes three, and one again",
    "all sessions of all writers are ended at once",
)


async def test_faults_see_what_they_are_about(scene, client, monkeypatch):
    wounds = Wounds()
    injector = Injector(scene, wounds)
    async with money_that_moves(client):
        await promises_are_kept(injector, known(wounds))
        await unsafe_settings_are_refused(injector, wounds)
        await a_broken_promise_is_told(scene, injector, known(wounds), monkeypatch)


def known(wounds):
    chance = Random(1)
    faults = (
        *write_side_faults(chance, wounds),
        *relay_faults(wounds),
        *read_model_faults(chance, wounds),
        *copy_faults(chance, wounds),
    )
    return {fault.name: fault for fault in faults}


async def promises_are_kept(injector, faults):
    plan = [Planned(fault=faults[n], begin_s=0, duration_s=LASTS_S) for n in WANTED]

    await injector.carry_out(plan, overlapping_max=2, span_s=600)

    injections = injector.injected.injections
    assert {one.name for one in injections} == set(WANTED)
    assert [one.failure for one in injections if one.failure] == []
    assert all(one.ended_ns > one.healing_ns > one.begun_ns for one in injections)
    assert all(one.note for one in injections)


async def unsafe_settings_are_refused(injector, wounds):
    chosen = [
        fault
        for fault in unsafe_settings(wounds)
        if fault.name.startswith(("PostgreSQL has synchronous_commit", "the writer", "fewer"))
    ]
    assert {fault.phase for fault in chosen} == {Phase.BEFORE}

    await injector.in_turn(chosen)

    for one in injector.injected.injections[-len(chosen) :]:
        assert one.failure == ""
        assert "refused by" in one.note


async def a_broken_promise_is_told(scene, injector, faults, monkeypatch):
    """Redis is not filled while nobody is there to do it, and the fault does not know why."""
    monkeypatch.setattr(following, "FOLLOWED_S", 0.5)
    flush = faults["Redis forgets everything"]
    scene.pause("balances")
    try:
        await injector.carry_out(
            [Planned(fault=flush, begin_s=0, duration_s=0.1)], overlapping_max=1, span_s=60
        )
    finally:
        scene.resume("balances")

    last = injector.injected.injections[-1]
    assert "A read of the balance" in last.failure or "Redis did not follow" in last.failure


@contextlib.asynccontextmanager
async def money_that_moves(client):
    """Transfers without rest until the block is left; gives nothing, loses nothing."""
    over = asyncio.Event()
    made = []

    async def move():
        while not over.is_set():
            made.append(await client.transfers.make("bank", "anna", amount=1, currency="EUR"))
            await asyncio.sleep(PAUSE_BETWEEN_TRANSFERS_S)

    async def has_begun():
        return len(made) > 5

    moving = asyncio.create_task(move())
    try:
        await eventually(has_begun)
        yield
    finally:
        over.set()
        await moving
