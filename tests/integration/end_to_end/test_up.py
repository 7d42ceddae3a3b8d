"""`chronos up` as its users meet it: twice on one folder, killed, started again."""

import asyncio
import os
import signal
import subprocess
import sys

import grpc
import pytest

from chronos.embedded.ports import free_block
from chronos.rpc.pb import ledger_pb2 as pb
from chronos.rpc.pb.ledger_pb2_grpc import LedgerStub
from tests.integration.end_to_end.running import ROOT, Running, alive, eventually, started

GONE_S = 30


@pytest.fixture
async def running(data_folder):
    async with started(data_folder, "--port", "0") as instance:
        yield instance


async def booked_by_grpc(running: Running, account_id: str) -> int:
    metadata = (("authorization", f"Bearer {running.addresses['api_key']}"),)
    async with grpc.aio.insecure_channel(running.addresses["grpc"]) as channel:
        balance = await LedgerStub(channel).GetBalance(
            pb.GetBalanceRequest(account_id=account_id), metadata=metadata, timeout=20
        )
    return balance.booked


async def test_kill_9_of_everything_keeps_what_was_acknowledged(running):
    async with running.client() as client:
        await client.accounts.open(account_id="bank", currency="EUR", kind="settlement")
        await client.accounts.open(account_id="alice", currency="EUR")
        await client.transfers.make("bank", "alice", amount=700, currency="EUR")
        shown = await client.views.balance("alice", min_version=2)
    assert (shown.booked, shown.source) == (700, "table")
    assert await booked_by_grpc(running, "alice") == 700

    second = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "chronos", "up", "--data", running.data],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert second.returncode != 0
    assert str(running.data) in second.stderr

    pids = list(running.addresses["pids"].values())
    os.kill(running.process.pid, signal.SIGKILL)
    await asyncio.to_thread(running.process.wait, GONE_S)

    async def all_gone():
        return not any(alive(pid) for pid in pids)

    await eventually(all_gone, within_s=GONE_S, what=lambda: [p for p in pids if alive(p)])

    running.arguments = (
        "--port",
        str(free_block()),
    )  # elsewhere: no worker may look for the old
    await running.start()
    async with running.client() as client:
        assert (await client.accounts.balance("alice")).booked == 700
        assert (await client.views.balance("alice", min_version=2)).booked == 700
        await client.transfers.make("alice", "bank", amount=100, currency="EUR")
        assert (await client.views.balance("alice", min_version=3)).booked == 600
