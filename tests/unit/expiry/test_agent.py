"""The expiry agent: it waits, repeats and gives way, and takes nothing down with it."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from datetime import timedelta
from time import monotonic

import pytest

from agents import expiry as agent
from agents.expiry import Bank, Expiry
from chronos.errors import InvariantBroken, Unavailable, UnsafeSetting
from chronos.ledger.expiring import Expired, meaning_of
from chronos.settings import Settings
from chronos.store.due_holds import DueHolds
from chronos.wire.receipt import Receipt, problem_receipt
from tests.builders import NOW
from tests.fakes import FakeHolds

DEADLINE_S = 30.0
AWAY = Unavailable("postgresql", "the fake is down")
DONE = Receipt(status=200, body=b"{}")


def refusal(code: str, *, replayed: bool = False) -> Receipt:
    receipt = problem_receipt(code, "A test.", instance="/", request_id="req_1")
    return Receipt(status=receipt.status, body=receipt.body, replayed=replayed)


async def until(condition, what: str) -> None:
    deadline = monotonic() + DEADLINE_S
    while True:
        if await condition():
            return
        assert monotonic() < deadline, what
        await asyncio.sleep(0.005)


class FakeApp:
    """The parts of the app that the agent uses."""

    def __init__(self, writer_dsn: str = "postgresql://writer@nowhere/bank"):
        self.settings = Settings(writer_dsn=writer_dsn)
        self.should_stop = False
        self.futures = []

    def add_future(self, work):
        self.futures.append(asyncio.ensure_future(work))
        return self.futures[-1]

    async def sleep(self, _seconds):
        await asyncio.sleep(0)


class FakeLedger:
    """Answers what the test has put down for a key, in turn, and ends the hold in the end."""

    def __init__(self, holds: FakeHolds):
        self.holds = holds
        self.answers = {}
        self.asked = Counter()
        self.busy = self.busiest = 0
        self.principals = set()

    async def execute(self, attempt):
        key = attempt.idempotency_key
        self.asked[key] += 1
        self.principals.add(attempt.principal)
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        await asyncio.sleep(0)
        self.busy -= 1
        script = self.answers.get(key)
        answer = script.pop(0) if script else DONE
        if isinstance(answer, Exception):
            raise answer
        if meaning_of(answer) in (Expired.EXPIRED, Expired.FORESTALLED):
            self.holds.ended.add(attempt.command.hold_id)
        return answer

    async def preview(self, attempt):
        raise NotImplementedError(attempt)


class Scene:
    """An agent between a fake channel, fake holds and a fake ledger."""

    def __init__(self, app: FakeApp):
        self.app = app
        self.holds = FakeHolds(rows_max=1000)
        self.ledger = FakeLedger(self.holds)
        self.lost_offers = 0
        self.is_closed = False
        self.expiry = Expiry(app, self.open_bank, offer=self.offer)

    @asynccontextmanager
    async def open_bank(self):
        yield Bank(ledger=self.ledger, due=DueHolds(self.holds))
        self.is_closed = True

    async def offer(self, page):
        if self.lost_offers:
            self.lost_offers -= 1
            return
        self.app.add_future(self.expiry.expire(page))

    def place(self, *hold_ids: str) -> None:
        for hold_id in hold_ids:
            self.holds.place(hold_id, NOW - timedelta(seconds=3))

    async def begin(self) -> None:
        await self.expiry.open()
        self.expiry.own()

    async def until_ended(self, *hold_ids: str) -> None:
        async def ended():
            return self.holds.ended >= set(hold_ids)

        await until(ended, "a hold was not ended")

    async def until_said(self, word: str) -> None:
        async def said():
            return await self.expiry.report() == word

        await until(said, f"it was never {word}")


@pytest.fixture
def checks(monkeypatch):
    """What the start-up checks raise, in turn; nothing: they pass."""
    raised = []

    async def check(_dsn, demand):
        assert demand.setting == "CHRONOS_WRITER_DSN"
        if raised:
            raise raised.pop(0)

    monkeypatch.setattr(agent, "check", check)
    return raised


@pytest.fixture
async def scene(checks, monkeypatch):
    assert not checks
    monkeypatch.setattr(agent, "OFFER_AGAIN_S", 0.05)
    made = Scene(FakeApp())
    yield made
    await made.expiry.close()
    await asyncio.gather(*made.app.futures, return_exceptions=True)


async def test_each_due_hold_is_sent_once_in_the_name_of_chronos(scene):
    scene.place(*(f"hold {n}" for n in range(300)))

    await scene.begin()
    await scene.until_ended(*(f"hold {n}" for n in range(300)))
    await scene.until_said("ok")

    assert scene.ledger.asked == {f"expire:hold {n}": 1 for n in range(300)}
    assert scene.ledger.principals == {"chronos"}
    assert 1 < scene.ledger.busiest <= agent.IN_FLIGHT_MAX


async def test_an_unknown_outcome_is_asked_for_again_with_the_same_key(scene):
    scene.place("hold")
    busy = refusal("idempotency_in_progress")
    scene.ledger.answers["expire:hold"] = [AWAY, busy, AWAY, DONE]

    await scene.begin()
    await scene.until_ended("hold")

    assert scene.ledger.asked == {"expire:hold": 4}


async def test_a_hold_that_somebody_else_ended_is_as_good(scene):
    scene.place("hold")
    scene.ledger.answers["expire:hold"] = [refusal("hold_not_open")]

    await scene.begin()
    await scene.until_ended("hold")
    await scene.until_said("ok")

    assert scene.ledger.asked == {"expire:hold": 1}


async def test_a_refusal_rests_and_comes_again_under_the_next_key(scene, monkeypatch):
    monkeypatch.setattr(agent, "REST_S", 0.2)
    scene.place("early", "other")
    early, spent = refusal("date_invalid"), refusal("date_invalid", replayed=True)
    scene.ledger.answers["expire:early"] = [early, spent]

    await scene.begin()
    await scene.until_ended("other")
    await scene.until_said("refused")
    assert scene.ledger.asked["expire:early"] == 1
    await scene.until_ended("early")

    assert scene.ledger.asked["expire:early/2"] == 1
    await scene.until_said("ok")


async def test_the_keys_of_a_hold_come_to_an_end(scene):
    scene.place("hold")
    spent = refusal("hold_not_found", replayed=True)
    keys = ["expire:hold", *(f"expire:hold/{n}" for n in range(2, 21))]
    scene.ledger.answers |= {key: [spent] for key in keys}

    await scene.begin()
    await scene.until_said("refused")

    assert scene.ledger.asked == dict.fromkeys(keys, 1)


async def test_a_fault_of_ours_leaves_its_hold_and_touches_no_other(scene):
    scene.place("bad", "good", "fine")
    scene.ledger.answers["expire:bad"] = [ValueError("a bug")]

    await scene.begin()
    await scene.until_ended("good", "fine")
    await scene.until_said("refused")

    assert scene.ledger.asked["expire:bad"] == 1
    assert not scene.expiry._reader.done()


async def test_a_broken_invariant_ends_the_expiry_and_not_the_process(scene):
    scene.place("hold")
    scene.ledger.answers["expire:hold"] = [InvariantBroken("It disagrees.", account_id="alice")]

    await scene.begin()
    await scene.until_said("broken")
    async with asyncio.timeout(DEADLINE_S):
        await scene.expiry._reader
    await scene.expiry.disown()
    scene.expiry.own()

    assert scene.ledger.asked == {"expire:hold": 1}
    assert await scene.expiry.report() == "broken"
    assert [future.exception() for future in scene.app.futures] == [None, None]


async def test_a_page_that_a_rebalance_lost_is_offered_again(scene):
    scene.place("hold")
    scene.lost_offers = 2

    await scene.begin()
    await scene.until_ended("hold")

    assert scene.ledger.asked == {"expire:hold": 1}


async def test_a_worker_that_lost_its_partition_sends_nothing_more(scene):
    scene.place("hold")
    scene.ledger.answers["expire:hold"] = [AWAY] * 1_000_000
    await scene.begin()
    await scene.until_said("waiting")

    await scene.expiry.disown()
    await asyncio.gather(*scene.app.futures, return_exceptions=True)

    assert await scene.expiry.report() == "idle"
    del scene.ledger.answers["expire:hold"]
    scene.expiry.own()
    await scene.until_ended("hold")


async def test_a_stop_of_the_app_ends_the_tries(scene):
    scene.place("hold")
    scene.ledger.answers["expire:hold"] = [AWAY] * 1_000_000
    await scene.begin()
    await scene.until_said("waiting")

    scene.app.should_stop = True
    async with asyncio.timeout(DEADLINE_S):
        await scene.app.futures[1]
        await scene.expiry.close()

    assert scene.is_closed


async def test_holds_that_cannot_be_read_end_nothing(scene, monkeypatch):
    monkeypatch.setattr(agent, "_FAULT_PAUSE_S", 0)
    failures = [ValueError("a bug"), AWAY]
    moment = scene.holds.moment

    async def failing():
        if failures:
            raise failures.pop(0)
        return await moment()

    scene.holds.moment = failing
    scene.place("hold")

    await scene.begin()

    await scene.until_ended("hold")


async def test_no_progress_for_long_is_called_stuck(scene, monkeypatch):
    await scene.begin()
    await scene.until_said("ok")

    monkeypatch.setattr(agent, "STUCK_AFTER_S", -1.0)

    assert await scene.expiry.report() == "stuck"


async def test_an_unsafe_address_ends_the_start(scene, checks):
    checks.append(UnsafeSetting("fsync", "is off"))

    with pytest.raises(UnsafeSetting, match="fsync"):
        await scene.expiry.open()


async def test_the_checks_are_made_again_before_the_first_hold(scene, checks):
    checks += [AWAY, UnsafeSetting("fsync", "is off")]
    scene.place("hold")

    async def checked_again():
        return not checks

    await scene.begin()
    await until(checked_again, "the checks were not repeated")

    assert await scene.expiry.report() == "waiting"
    assert not scene.ledger.asked


async def test_without_an_address_nothing_is_opened(checks):
    checks.append(AssertionError("nothing is to be checked"))
    scene = Scene(FakeApp(writer_dsn=""))

    await scene.begin()

    assert await scene.expiry.report() == "off"
    assert scene.app.futures == []
    await scene.expiry.close()
