"""The clients of a run: each sends its next operation when the last one is known.

Phases: the bank is opened; the clients send until they are told to stop; then each ends what it
has begun, at most `attempts.GIVE_UP_S` later, so that after a healed outage nothing is unknown
that could be known.

A read of the query side may wait two seconds for a read model that is behind. It is therefore
sent by a reader beside its client (`PROJECTED_PROCESSES` plus the client's number in the
history), one at a time, so that the writes of a run do not slow down with its read models. When
the reader is still waiting, the client goes on to its next operation.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import msgspec

from chronos.chaos.history import Kind, Outcome, Recorder, now_ns
from chronos.chaos.load.answers import Answer
from chronos.chaos.load.attempts import Attempts, is_command
from chronos.chaos.load.choosing import Chooser, Intention, Memory

PROJECTED_PROCESSES: Final = 1000
"""Added to a client's number: the process of its reads on the query side."""
KEPT_STATUSES: Final = frozenset({404, 409, 412, 422})
"""Of refusals that are kept under the key, so that a retry must get them again."""


class Commands(Protocol):
    """The command endpoint, as a client reaches it."""

    async def command(self, path: str, key: str, body: str) -> Answer:
        """Posts a command under its key."""
        ...

    async def read(self, path: str) -> Answer:
        """Reads a path."""
        ...


class Reads(Protocol):
    """The query side, as a client reaches it."""

    async def read(self, path: str) -> Answer:
        """Reads a path."""
        ...


class Snapshots(Protocol):
    """The primary, as all clients share it."""

    async def read(self) -> Answer:
        """Reads the heads of all accounts."""
        ...


class _Touched(msgspec.Struct):
    version: int


class _Receipt(msgspec.Struct):
    accounts: dict[str, _Touched] = {}


class _Balance(msgspec.Struct):
    version: int


class _Events(msgspec.Struct):
    data: list[_Touched]


_receipt = msgspec.json.Decoder(_Receipt).decode
_balance = msgspec.json.Decoder(_Balance).decode
_events = msgspec.json.Decoder(_Events).decode


class Client:
    """One client with its reader.

    Args:
        number: From 1.
        chooser: Draws its operations.
        memory: What the clients share.
        recorder: The history.
        seed: Of the run, for the pauses between attempts.
    """

    def __init__(
        self, number: int, *, chooser: Chooser, memory: Memory, recorder: Recorder, seed: int
    ):
        self._chooser = chooser
        self._memory = memory
        chance = random.Random(f"pause/{seed}/{number}")  # noqa: S311 - to be repeated
        self._attempts = Attempts(recorder, process=number, chance=chance)
        self._reader_attempts = Attempts(
            recorder, process=PROJECTED_PROCESSES + number, chance=chance
        )
        self._to_read: asyncio.Queue[Intention | None] = asyncio.Queue(maxsize=1)
        self._reader_is_free = True

    async def run(
        self,
        commands: Commands,
        reads: Reads,
        snapshots: Snapshots,
        *,
        turn: Callable[[], Awaitable[bool]],
    ) -> None:
        """Sends operations while `turn` says so."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read_projected(reads))
            while await turn():
                await self.step(commands, snapshots)
            await self._to_read.put(None)

    async def step(self, commands: Commands, snapshots: Snapshots) -> None:
        """Sends one operation and waits until it is known."""
        intention = self._chooser.next()
        if intention.kind is Kind.PROJECTED:
            self._hand_over(intention)
        elif intention.kind is Kind.SNAPSHOT:
            await self._attempts.once(intention, lambda _: snapshots.read())
        elif is_command(intention.kind):
            await self._command(intention, commands)
        else:
            answer = await self._attempts.once(intention, lambda one: commands.read(one.path))
            self._learn_read(intention, answer)

    async def _command(self, intention: Intention, commands: Commands) -> None:
        answer = await self._attempts.until_known(
            intention, lambda one: commands.command(one.path, one.key, one.body)
        )
        if intention.kind is Kind.RETRY:
            return
        if answer.outcome is Outcome.OK:
            self._memory.granted(intention)
            self._learn_written(answer)
        if answer.outcome is Outcome.OK or answer.status in KEPT_STATUSES:
            self._memory.finished.append(intention)

    def _learn_written(self, answer: Answer) -> None:
        try:
            accounts = _receipt(answer.reply).accounts
        except msgspec.DecodeError:
            return  # The history has it; whether it may look so is for the checkers.
        seen = self._chooser.seen
        seen.last_written = {name: touched.version for name, touched in accounts.items()}
        for name, version in seen.last_written.items():
            seen.newest[name] = max(version, seen.newest.get(name, 0))

    def _learn_read(self, intention: Intention, answer: Answer) -> None:
        if answer.outcome is not Outcome.OK:
            return
        try:
            version = _newest(answer.reply, is_list="/events" in intention.path)
        except msgspec.DecodeError:
            return
        newest = self._chooser.seen.newest
        newest[intention.account_id] = max(version, newest.get(intention.account_id, 0))

    def _hand_over(self, intention: Intention) -> None:
        if self._reader_is_free:
            self._reader_is_free = False
            self._to_read.put_nowait(intention)

    async def _read_projected(self, reads: Reads) -> None:
        while (intention := await self._to_read.get()) is not None:
            await self._reader_attempts.once(intention, lambda one: reads.read(one.path))
            self._reader_is_free = True


class Turns:
    """Lets clients begin operations: until told to stop, and at most so many a second.

    Args:
        clients: How many share the rate.
        rate_max: Operations a second in all; None: as fast as answers come.
    """

    def __init__(self, *, clients: int, rate_max: float | None):
        self._clients = clients
        self._gap_ns = 0 if rate_max is None else int(1e9 * clients / rate_max)
        self._is_over = asyncio.Event()

    def stop(self) -> None:
        """Lets no operation begin any more."""
        self._is_over.set()

    def of_client(self, number: int) -> Callable[[], Awaitable[bool]]:
        """Gives what a client asks before each operation; the clients begin one by one."""
        # A client that was held up is not let go faster afterwards: its time has passed.
        due_ns = now_ns() + self._gap_ns * number // self._clients

        async def turn() -> bool:
            nonlocal due_ns
            wait_s = (due_ns - now_ns()) / 1e9
            if wait_s > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._is_over.wait(), wait_s)
            due_ns = max(due_ns, now_ns()) + self._gap_ns
            return not self._is_over.is_set()

        return turn


def _newest(reply: str, *, is_list: bool) -> int:
    if not is_list:
        return _balance(reply).version
    return max((event.version for event in _events(reply).data), default=0)
