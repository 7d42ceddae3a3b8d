"""One whole pipeline that can be hurt, some traffic on it, and a Prometheus that watches."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from chronos.chaos.scene import Scene
from chronos.client.doors import Doors
from chronos.client.exchange import Patience
from chronos.client.ledger_client import LedgerClient
from chronos.client.refusals import Refused
from tests.integration.balances.harness import free_port
from tests.prometheus import Prometheus, Tools, eventually, find_tools

EVERY_S = 1
FOLLOWED_S = 60


@pytest.fixture(scope="module")
def tools() -> Tools:
    return find_tools()


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that the servers' account can enter; pytest's own it cannot."""
    made = Path(tempfile.mkdtemp(prefix="chronos-watched-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(place: Path) -> AsyncIterator[Scene]:
    async with Scene(place / "data", environment=os.environ) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(scene: Scene) -> AsyncIterator[LedgerClient]:
    """A client of a bank that has seen a little of everything."""
    addresses = scene.addresses
    doors = Doors(command=addresses.api, query=addresses.query, api_key=addresses.api_key)
    async with LedgerClient(doors, patience=Patience(deadline_s=60, attempt_s=5)) as made:
        await little_of_everything(made)
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def metrics(scene: Scene, client: LedgerClient) -> dict[str, str]:
    """By kind of process, where its metrics are; there is traffic behind them."""
    del client
    return metrics_of(scene)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prometheus(
    tools: Tools, place: Path, metrics: dict[str, str]
) -> AsyncIterator[Prometheus]:
    folder = place / "prometheus"
    folder.mkdir()
    targets = {process: [urlsplit(at).netloc] for process, at in metrics.items()}
    async with Prometheus(
        tools, folder, targets, port=free_port(), every_s=EVERY_S
    ) as watching:
        yield watching


def metrics_of(scene: Scene) -> dict[str, str]:
    ports = scene.pipeline.crew.ports
    doors = {
        "api": ports.admin,
        "relay": ports.relay,
        "balances": ports.balances,
        "mirror": ports.mirror,
    }
    urls = {process: f"http://127.0.0.1:{port}/metrics" for process, port in doors.items()}
    assert sorted(urls.values()) == sorted(scene.addresses.metrics)
    return urls


async def little_of_everything(client: LedgerClient) -> None:
    """Books, refuses, repeats and reads, until every read model shows it."""
    await client.accounts.open(account_id="bank", currency="EUR", kind="settlement")
    await client.accounts.open(account_id="anna", currency="EUR")
    for _ in range(2):
        await client.transfers.make(
            "bank", "anna", amount=1_000, currency="EUR", key="one-and-only-key"
        )
    with pytest.raises(Refused):
        await client.transfers.make("anna", "bank", amount=5_000, currency="EUR")

    async def followed() -> bool:
        return await shown_everywhere(client, "anna", version=2)

    await eventually(followed, within_s=FOLLOWED_S)


async def shown_everywhere(client: LedgerClient, account_id: str, *, version: int) -> bool:
    try:
        balance = await client.views.balance(account_id)
    except Refused:
        return False  # the table does not know the account yet
    stages = (await client.views.pipeline())["stages"]
    behind = [stages[name].get("lag_events") for name in ("balances", "entries", "accounts")]
    return balance.version >= version and behind == [0, 0, 0]
