"""How the clients send: until it is known, with growing pauses, and not for ever."""

import asyncio
import random

import pytest

from chronos.chaos.bank import accounts
from chronos.chaos.history import Kind, Outcome, Recorder, read_history
from chronos.chaos.load.answers import Answer
from chronos.chaos.load.attempts import GIVE_UP_S, PAUSE_MAX_S, Attempts
from chronos.chaos.load.choosing import Chooser, Intention, Memory
from chronos.chaos.load.clients import PROJECTED_PROCESSES, Client, Turns
from chronos.chaos.load.opening import BankNotOpened, open_bank

UNKNOWN = Answer(outcome=Outcome.INFO, code="timeout")
BUSY = Answer(outcome=Outcome.INFO, status=409, code="idempotency_in_progress")
DONE = Answer(outcome=Outcome.OK, status=201, reply='{"accounts":{"hot-1":{"version":9}}}')
REFUSED = Answer(outcome=Outcome.FAIL, status=409, code="insufficient_funds", reply="{}")
TRANSFER = Intention(
    kind=Kind.TRANSFER, method="POST", path="/v1/transfers", key="k1", body='{"id":"k1"}'
)


class Time:
    """A clock that only pauses and sendings move."""

    def __init__(self):
        self.ns = 0
        self.pauses_s: list[float] = []

    def clock_ns(self) -> int:
        return self.ns

    async def pause(self, seconds: float) -> None:
        self.pauses_s.append(seconds)
        self.ns += int(seconds * 1e9)


class Always(random.Random):
    """Draws the longest pause each time."""

    def random(self) -> float:
        return 1.0


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def history(tmp_path):
    return tmp_path / "history.jsonl"


async def sent(history, time, answers, *, chance=None, each_s=0.0, once=False):
    """What became of one operation that meets these answers in turn; the last one stays."""
    left = list(answers)
    seen = []

    async def send(intention):
        seen.append(intention)
        time.ns += int(each_s * 1e9)
        return left.pop(0) if len(left) > 1 else left[0]

    with Recorder(history) as recorder:
        attempts = Attempts(
            recorder, process=3, chance=chance or random.Random(1), clock_ns=time.clock_ns,
            pause=time.pause,
        )  # fmt: skip
        answer = await (attempts.once if once else attempts.until_known)(TRANSFER, send)
    assert set(seen) == {TRANSFER}
    (operation,) = read_history(history)
    return answer, operation


async def test_what_is_unknown_is_sent_again_under_its_key_until_it_is_known(history, time):
    answer, operation = await sent(history, time, [UNKNOWN, BUSY, UNKNOWN, DONE])

    assert answer is DONE
    assert (operation.key, operation.body, operation.process) == ("k1", '{"id":"k1"}', 3)
    assert [a.outcome.value for a in operation.attempts] == ["info", "info", "info", "ok"]
    assert [a.code for a in operation.attempts][:2] == ["timeout", "idempotency_in_progress"]
    assert operation.outcome is Outcome.OK
    assert operation.answered.reply == DONE.reply


async def test_a_refusal_is_not_sent_again(history, time):
    answer, operation = await sent(history, time, [REFUSED, DONE])

    assert (answer, len(operation.attempts)) == (REFUSED, 1)
    assert operation.outcome is Outcome.FAIL


async def test_a_read_is_sent_once(history, time):
    answer, operation = await sent(history, time, [UNKNOWN, DONE], once=True)

    assert (answer, len(operation.attempts)) == (UNKNOWN, 1)


async def test_the_pauses_double_up_to_their_bound(history, time):
    await sent(history, time, [UNKNOWN] * 9 + [DONE], chance=Always())

    assert time.pauses_s == [
        0.05,
        0.1,
        0.2,
        0.4,
        0.8,
        1.6,
        PAUSE_MAX_S,
        PAUSE_MAX_S,
        PAUSE_MAX_S,
    ]


async def test_the_pauses_are_drawn_from_zero_to_their_bound(history, time):
    await sent(history, time, [UNKNOWN], chance=random.Random(4))

    late = time.pauses_s[6:]
    assert all(0 <= pause_s <= PAUSE_MAX_S for pause_s in late)
    assert min(late) < 0.5
    assert max(late) > 1.5


async def test_an_operation_is_given_up_after_its_time_and_stays_unknown(history, time):
    answer, operation = await sent(history, time, [UNKNOWN], each_s=2.0)

    assert answer is UNKNOWN
    assert operation.outcome is Outcome.INFO
    last = operation.attempts[-1]
    assert GIVE_UP_S - 5 < last.invoked_ns / 1e9 < GIVE_UP_S
    assert time.ns / 1e9 < GIVE_UP_S + 2.1


class Sides:
    """All that a client sends to, each with one answer."""

    def __init__(self, command=DONE, read=DONE):
        self.answer, self.read_answer = command, read
        self.commands: list[str] = []

    async def command(self, _path, key, _body):
        self.commands.append(key)
        return self.answer

    async def read(self, _path=""):
        return self.read_answer


def client_of(recorder, memory, *, number=1):
    chooser = Chooser(accounts(), memory, seed=5, client=number)
    client = Client(number, chooser=chooser, memory=memory, recorder=recorder, seed=5)
    return client, chooser


async def test_a_client_remembers_what_was_granted_and_retries_only_what_is_kept(history):
    memory, sides = Memory(), Sides(REFUSED)
    with Recorder(history) as recorder:
        client, chooser = client_of(recorder, memory)
        for _ in range(100):
            await client.step(sides, sides)
        refused = len(memory.finished)
        assert not memory.transfers
        assert not chooser.seen.last_written

        sides.answer = Answer(outcome=Outcome.FAIL, status=401, code="unauthenticated")
        for _ in range(100):
            await client.step(sides, sides)
        assert len(memory.finished) == refused

        sides.answer = DONE
        for _ in range(100):
            await client.step(sides, sides)

    assert len(memory.finished) > refused > 0
    assert memory.transfers
    assert chooser.seen.last_written == {"hot-1": 9}


async def test_a_waiting_read_of_the_query_side_does_not_hold_up_the_writes(history):
    memory, sides = Memory(), Sides()
    released, asked = asyncio.Event(), []

    class Stalled:
        async def read(self, path):
            asked.append(path)
            await released.wait()
            return UNKNOWN

    turns_left = 600

    async def turn() -> bool:
        nonlocal turns_left
        turns_left -= 1
        await asyncio.sleep(0)
        if turns_left == 0:
            released.set()
        return turns_left > 0

    with Recorder(history) as recorder:
        client, _ = client_of(recorder, memory)
        async with asyncio.timeout(10):
            await client.run(sides, Stalled(), sides, turn=turn)

    assert len(sides.commands) > 300
    assert len(asked) == 1
    operations = read_history(history)
    (projected,) = [one for one in operations if one.kind is Kind.PROJECTED]
    assert projected.process == PROJECTED_PROCESSES + 1
    assert projected.attempts[0].completed_ns is not None


async def test_a_rate_is_not_exceeded_and_a_stop_wakes_who_waits():
    turns = Turns(clients=2, rate_max=0.02)
    first = turns.of_client(0)
    assert await first()

    waiting = asyncio.ensure_future(first())
    await asyncio.sleep(0)
    assert not waiting.done()
    turns.stop()

    async with asyncio.timeout(5):
        assert not await waiting


async def test_the_bank_is_opened_and_every_account_funded(history):
    sides = Sides()
    with Recorder(history) as recorder:
        await open_bank(accounts(), sides, recorder, seed=5)

    operations = read_history(history)
    opened = [one for one in operations if one.kind is Kind.OPEN]
    funded = [one for one in operations if one.kind is Kind.TRANSFER]
    assert len(opened) == len(accounts())
    assert len(funded) == len(accounts()) - 2
    assert {one.process for one in operations} == {0}
    assert '"kind":"settlement"' in opened[0].body


async def test_a_bank_that_cannot_be_opened_says_what_was_answered(history):
    with (
        Recorder(history) as recorder,
        pytest.raises(BankNotOpened, match=r"open-settlement-EUR .* 409 insufficient_funds"),
    ):
        await open_bank(accounts(), Sides(REFUSED), recorder, seed=5)
