"""A whole pipeline that can be hurt, and a bank on it."""

from __future__ import annotations

import os

import pytest

from chronos.chaos.faults.write_side import POSTGRES_READY_S
from chronos.chaos.scene import Scene
from chronos.client.doors import Doors
from chronos.client.exchange import Patience
from chronos.client.ledger_client import LedgerClient
from chronos.embedded.report import Screen
from tests import waiting

CAUGHT_UP_S = 60


@pytest.fixture
async def scene(data_folder):
    with Screen() as screen:
        async with Scene(data_folder, environment=os.environ, report=screen) as made:
            yield made


@pytest.fixture
async def client(scene):
    """A client that goes through the proxies, with a bank of two customers."""
    addresses = scene.client_addresses
    doors = Doors(command=addresses.api, query=addresses.query, api_key=addresses.api_key)
    # Longer than PostgreSQL may take to come back: how long it took is judged by the fault.
    patience = Patience(deadline_s=POSTGRES_READY_S + 60, attempt_s=5)
    async with LedgerClient(doors, patience=patience) as made:
        await made.accounts.open(account_id="bank", currency="EUR", kind="settlement")
        for name in ("anna", "bela"):
            await made.accounts.open(account_id=name, currency="EUR")
            await made.transfers.make("bank", name, amount=1_000, currency="EUR")
        yield made


async def eventually(condition, *, within_s=CAUGHT_UP_S):
    await waiting.until(condition, lambda: "the condition", within_s=within_s, pause_s=0.1)
