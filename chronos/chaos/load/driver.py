"""The process of the clients: `python -m chronos.chaos.load.driver`.

A `LoadPlan` as one line of JSON on standard input begins it; whatever comes next there, its end
included, lets the clients end what they have begun. So a driver never outlives its run. Its
words (`plan.Word`) are lines of JSON on standard output.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from chronos.chaos.bank import accounts
from chronos.chaos.history import Recorder, now_ns
from chronos.chaos.load.choosing import Chooser, Memory
from chronos.chaos.load.clients import Client, Turns
from chronos.chaos.load.opening import BankNotOpened, open_bank
from chronos.chaos.load.plan import Ended, Failed, LoadPlan, Opened, Word
from chronos.chaos.load.sending import Door
from chronos.chaos.readers.snapshots import SnapshotReader

FLUSH_S: Final = 0.2
PLAN_BYTES_MAX: Final = 64 * 1024


async def drive(plan: LoadPlan, turns: Turns, recorder: Recorder) -> None:
    """Opens the bank, says so, and runs the clients until the turns are over.

    Raises:
        BankNotOpened: There is nothing to send to.
    """
    bank, memory = accounts(), Memory()
    async with AsyncExitStack() as stack:
        doors = [
            (
                await stack.enter_async_context(Door(plan.command, plan.api_key)),
                await stack.enter_async_context(Door(plan.query, plan.api_key)),
            )
            for _ in range(plan.clients)
        ]
        names = [account.account_id for account in bank]
        snapshots = await stack.enter_async_context(SnapshotReader(plan.postgres_dsn, names))
        await open_bank(bank, doors[0][0], recorder, seed=plan.seed)
        say(Opened(at_ns=now_ns()))
        async with asyncio.TaskGroup() as group:
            for number, (commands, reads) in enumerate(doors, 1):
                chooser = Chooser(bank, memory, seed=plan.seed, client=number)
                client = Client(
                    number, chooser=chooser, memory=memory, recorder=recorder, seed=plan.seed
                )
                turn = turns.of_client(number)
                group.create_task(client.run(commands, reads, snapshots, turn=turn))


def say(word: Word) -> None:
    """Writes a word to standard output."""
    sys.stdout.buffer.write(msgspec.json.encode(word) + b"\n")
    sys.stdout.buffer.flush()


async def run() -> int:
    """Runs one load as standard input says; gives the exit code."""
    orders = await _standard_input()
    plan = msgspec.json.decode(await orders.readline(), type=LoadPlan)
    turns = Turns(clients=plan.clients, rate_max=plan.rate_max)
    with Recorder(Path(plan.history)) as recorder:
        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(_stop_when_told(orders, turns)),
                group.create_task(_flush_often(recorder)),
            ]
            last = await _drive_to_the_end(plan, turns, recorder)
            for task in beside:
                task.cancel()
    say(last)
    return 1 if isinstance(last, Failed) else 0


async def _drive_to_the_end(plan: LoadPlan, turns: Turns, recorder: Recorder) -> Word:
    try:
        await drive(plan, turns, recorder)
    except BankNotOpened as error:
        return Failed(reason=str(error))
    return Ended(at_ns=now_ns())


async def _standard_input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=PLAN_BYTES_MAX)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    return reader


async def _stop_when_told(orders: asyncio.StreamReader, turns: Turns) -> None:
    await orders.readline()
    turns.stop()


async def _flush_often(recorder: Recorder) -> None:
    """Lets others follow the history while it is written, also when little happens."""
    while True:
        await asyncio.sleep(FLUSH_S)
        recorder.flush()


def main() -> None:
    """Runs the driver."""
    # An interrupt at the terminal is for the run, which closes the standard input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(run())
    sys.exit(code)


if __name__ == "__main__":
    main()
