"""A hold ends when its time has come, once, whoever else is about to end it."""

from __future__ import annotations

import asyncio
import signal
from datetime import timedelta

from chronos.auth.principals import SYSTEM
from chronos.clock import SystemIds
from chronos.domain.account import AccountStatus
from chronos.domain.ids import HoldId
from chronos.ledger.expiring import expiry_of
from chronos.telemetry.traces import is_valid_traceparent
from tests.integration.expiry.harness import expired_in_kafka, expiry_state
from tests.integration.relay.harness import until
from tests.journals import code


async def test_a_hold_is_expired_in_time_and_reaches_kafka(bank, settings, relay):
    process = relay()
    await until(lambda: _says(process, "ok"), "expiry did not begin")
    expires_at = await bank.in_s(1)
    await bank.place("soon", expires_at)
    await bank.place("later", await bank.in_s(3600))
    await bank.freeze("alice")

    await until(lambda: bank.has_expired("soon"), "the hold did not expire")

    async def arrived():
        return await expired_in_kafka(settings)

    (expired,) = await until(arrived, "HoldExpired did not reach Kafka")
    assert expired["hold_id"] == "soon"
    assert (expired["principal"], expired["causation_id"]) == ("chronos", "expire:soon")
    assert expired["correlation_id"].startswith("req_")
    assert is_valid_traceparent(expired["traceparent"])
    assert expired["status_after"] == AccountStatus.FROZEN_ALL
    assert await bank.held() == (5, 1)
    assert await process.counted('chronos_hold_expiries_total{outcome="expired"}') == 1
    late_s = await process.counted("chronos_hold_expiry_lag_seconds_sum")
    assert 0 < late_s < 5
    assert await process.counted("chronos_hold_expiry_failures_total") == 0
    process.send(signal.SIGTERM)
    assert await process.exit_code() == 0


async def test_a_capture_that_races_with_the_expiry_and_it_make_one_end(bank, relay):
    process = relay()
    await until(lambda: _says(process, "ok"), "expiry did not begin")
    now = await bank.in_s(0)
    delays_s = {f"hold_{number:02}": 1.5 + number * 0.03 for number in range(40)}
    places = (bank.place(n, now + timedelta(seconds=s)) for n, s in delays_s.items())
    await asyncio.gather(*places)
    spent_s = (await bank.in_s(0) - now).total_seconds()

    # Long before, a little before, at the last moment and just too late.
    leads_s = (1.0, 0.02, 0.01, 0.0)

    async def capture_before(lead_s: float, name: str):
        await asyncio.sleep(delays_s[name] - spent_s - lead_s)
        return name, await bank.capture(name)

    races = (capture_before(leads_s[n % 4], name) for n, name in enumerate(delays_s))
    receipts = dict(await asyncio.gather(*races))
    names = tuple(receipts)
    await until(lambda: _all_ended(bank, names), "a hold did not end")
    assert len({receipt.status < 400 for receipt in receipts.values()}) == 2

    ends = await bank.ends()
    for name in names:
        captured = receipts[name].status < 400
        assert ends[name] == (["HoldCaptured"] if captured else ["HoldExpired"])
        if not captured:
            assert code(receipts[name]) == "hold_not_open"
    assert await bank.held() == (0, 0)


async def test_of_two_relays_one_expires_and_the_other_takes_over(bank, relay):
    first, second = relay(0), relay(1)
    await until(lambda: _one_of(first, second), "the work was not shared out")
    owner, other = (first, second) if await _says(first, "ok") else (second, first)
    soon = await bank.in_s(1)
    names = [f"hold_{number}" for number in range(100)]
    await asyncio.gather(*(bank.place(name, soon) for name in names))

    await until(lambda: bank.has_expired(*names), "the holds did not expire")
    receipts = await bank.receipts_of_chronos()
    assert receipts == {f"expire:{name}": 200 for name in names}
    assert await owner.counted('chronos_hold_expiries_total{outcome="expired"}') == 100
    assert await other.counted("chronos_hold_expiries_total{") == 0

    owner.kill()
    await bank.place("orphan", await bank.in_s(1))
    await until(lambda: bank.has_expired("orphan"), "nobody took over")
    assert await expiry_state(other) == "ok"


async def test_what_became_due_while_no_relay_ran_is_worked_off_at_the_start(bank, relay):
    soon = await bank.in_s(2)
    names = [f"hold_{number}" for number in range(300)]
    await asyncio.gather(*(bank.place(name, soon) for name in names))
    await until(lambda: bank.is_past(soon), "time stands still")
    refused = await bank.capture("hold_7")
    assert code(refused) == "hold_not_open"
    assert await bank.held() == (1500, 300)

    process = relay()

    await until(lambda: bank.has_expired(*names), "the holds did not expire")
    assert await bank.held() == (0, 0)
    assert len(await bank.receipts_of_chronos()) == 300

    async def counted() -> bool:
        return await process.counted('chronos_hold_expiries_total{outcome="expired"}') == 300

    await until(counted, "not every expiry was counted")


async def test_a_key_that_was_spent_on_a_refusal_is_followed_by_the_next(bank, relay):
    soon = await bank.in_s(1)
    await bank.place("early", soon)
    for number in (1, 2):
        too_early = expiry_of(HoldId("early"), number=number, principal=SYSTEM, ids=SystemIds())
        assert code(await bank.ledger.execute(too_early)) == "date_invalid"

    relay()

    await until(lambda: bank.has_expired("early"), "the old refusals were believed")
    assert await bank.receipts_of_chronos() == {
        "expire:early": 422,
        "expire:early/2": 422,
        "expire:early/3": 200,
    }


async def test_expiry_waits_for_postgresql_and_the_relay_does_not_wait_for_it(
    bank, settings, relay, writer_door
):
    process = relay()
    await until(lambda: _says(process, "ok"), "expiry did not begin")
    await writer_door.shut()
    await until(lambda: _says(process, "waiting"), "the outage was not noticed")
    soon = await bank.in_s(0.5)
    await bank.place("due_meanwhile", soon)
    await until(lambda: bank.is_past(soon), "time stands still")
    assert await process.is_ready()
    assert (await process.get("/healthz"))[0] == 200
    await writer_door.open()

    await until(lambda: bank.has_expired("due_meanwhile"), "expiry did not go on")
    await until(lambda: _says(process, "ok"), "expiry did not recover")
    (expired,) = await until(lambda: expired_in_kafka(settings), "the relay stood still")
    assert expired["hold_id"] == "due_meanwhile"


async def test_without_a_writer_s_address_holds_do_not_expire_and_the_relay_says_so(
    bank, relay
):
    process = relay(writer_dsn="")
    await until(process.is_ready, "the relay did not start")

    assert await expiry_state(process) == "off"
    assert process.story().count("hold_expiry_off") == 1
    assert bank.ledger is not None


async def test_a_writer_s_address_that_is_refused_ends_the_start_with_its_name(database, relay):
    wrong = database.writer_dsn.replace("only-for-tests", "wrong")
    process = relay(writer_dsn=wrong)

    assert await process.exit_code() == 78
    assert "CHRONOS_WRITER_DSN" in process.story()


async def _says(process, word: str) -> bool:
    return await expiry_state(process) == word


async def _one_of(first, second) -> bool:
    shards = await first.shards(), await second.shards()
    states = {await expiry_state(first), await expiry_state(second)}
    return sorted(map(len, shards)) == [1, 1] and states == {"ok", "idle"}


async def _all_ended(bank, names) -> bool:
    return (await bank.ends()).keys() >= set(names)
