"""A balances worker follows the events, whatever records it meets on the way."""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from chronos.stream.consume import NO_EVENT
from chronos.wire.codec import event_hash
from chronos.wire.dead_letter import read_origin
from chronos.wire.headers import decode_headers
from tests.integration.balances.harness import Scene, until


async def test_a_worker_follows_and_says_where_a_balance_comes_from(scene: Scene):
    await scene.publish(await scene.open_accounts(5))
    worker = await scene.worker()

    assert await scene.assert_equal(worker) == {"table"}
    shown = await scene.balance(worker, "a0", min_version=2)
    assert shown == {
        "account": "a0",
        "currency": "EUR",
        "booked": 1_000_000,
        "held": 0,
        "available": 1_000_000,
        "overdraft_limit": 0,
        "status": "open",
        "version": 2,
        "as_of": shown["as_of"],
        "source": "table",
    }
    assert await worker.stop() == 0


async def test_strange_records_stop_nobody_and_lose_nothing(scene: Scene):
    rows = await scene.open_accounts(3)
    await scene.publish(rows)
    await scene.publish(rows)
    worker = await scene.worker()
    await scene.assert_equal(worker)
    assert await scene.counter(
        worker, 'chronos_balance_events_total{outcome="duplicate"}'
    ) == len(rows)

    # Lost on the way to Kafka: filled in from the journal.
    missing = await scene.book(*(scene.pay("a0", "a1") for _ in range(5)))
    await scene.publish(missing[-2:])
    await scene.assert_equal(worker)

    # Unreadable in Kafka: read again from the journal.
    broken = await scene.book(scene.pay("a1", "a2"))
    await scene.publish(broken, value=b'{"type":"Unheard"}')
    await scene.assert_equal(worker)

    # Not ours: put away as it was.
    await scene.publish(rows[:1], headers=[("x", b"1")], value=b"stranger", key=b"k")
    last = await scene.book(scene.pay("a2", "a0"))
    await scene.publish(last)
    await scene.assert_equal(worker)
    key, value, headers = await _dead_letter(scene)
    assert (key, value, headers[0]) == (b"k", b"stranger", ("x", b"1"))
    origin, own = read_origin(headers)
    assert own == [("x", b"1")]
    assert origin.found_at.startswith(f"{scene.names.events}/{rows[0].partition}/")
    assert (origin.found_by, origin.reason) == ("balances", NO_EVENT)
    assert origin.written_at is not None
    for name, count in {
        'chronos_stream_dead_letters_total{agent="balances"}': 1,
        'chronos_balance_events_total{outcome="repaired"}': 10,
        'chronos_balance_events_total{outcome="undecodable"}': 2,
    }.items():
        assert await scene.counter(worker, name) == count, name


async def test_a_foreign_record_too_large_for_a_letter_stops_nobody(scene: Scene):
    rows = await scene.open_accounts(1)
    worker = await scene.worker()
    producer = AIOKafkaProducer(
        bootstrap_servers=scene.settings.kafka,
        compression_type="gzip",
        max_request_size=8 << 20,
    )
    await producer.start()
    try:
        await producer.send_and_wait(
            scene.names.events, b"\0" * (5 << 20), key=b"k", partition=rows[0].partition
        )
    finally:
        await producer.stop()
    await scene.publish(rows)

    await scene.assert_equal(worker)
    key, value, headers = await _dead_letter(scene)
    origin, _ = read_origin(headers)
    assert (key, value) == (b"k", None)
    assert origin.left_out.startswith("5242880 bytes, SHA-256 ")


async def _dead_letter(scene: Scene) -> tuple[bytes, bytes | None, list[tuple[str, bytes]]]:
    consumer = AIOKafkaConsumer(
        scene.names.dead_letters,
        bootstrap_servers=scene.settings.kafka,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:

        async def first():
            found = await consumer.getmany(timeout_ms=500, max_records=1)
            return [record for records in found.values() for record in records]

        record = (await until(first, lambda: "no dead letter"))[0]
        return record.key, record.value, list(record.headers)
    finally:
        await consumer.stop()


async def test_a_gap_waits_for_postgresql_as_long_as_it_takes(scene: Scene, postgres_door):
    await scene.publish(await scene.open_accounts(2))
    worker = await scene.worker()
    await scene.assert_equal(worker)
    missing = await scene.book(*(scene.pay("a0", "a1") for _ in range(3)))

    await postgres_door.shut()
    await scene.publish(missing[-2:])
    status, body = await scene.ask(worker, "/v1/accounts/a0/balance", min_version=5)
    assert (status, body["code"]) == (503, "read_model_behind")
    # Known keys and known balances are served without PostgreSQL.
    status, body = await scene.ask(worker, "/v1/accounts/a0/balance")
    assert (status, body["version"]) == (200, 2)

    await postgres_door.open()
    await scene.assert_equal(worker)


async def test_a_disagreeing_after_value_ends_the_worker_with_70(scene: Scene):
    rows = await scene.open_accounts(1)
    forged = rows[-1]
    body = forged.value.replace(b'"booked_after":1000000', b'"booked_after":1000001')
    assert body != forged.value
    opening = next(row for row in rows if row.key == forged.key)
    digest = event_hash(
        bytes.fromhex(dict(decode_headers(opening.headers))["ce_hash"].decode()), body
    )
    headers = [
        (name, digest.hex().encode() if name == "ce_hash" else value)
        for name, value in decode_headers(forged.headers)
    ]
    worker = await scene.worker()
    await scene.publish(rows[:-1])
    await scene.publish([forged], value=body, headers=headers)

    assert await worker.exit_code() == 70, worker.story()

    # It was not acknowledged: whoever starts the worker again meets it again.
    worker.start()
    assert await worker.exit_code() == 70, worker.story()


async def test_an_agent_that_fails_in_mid_batch_loses_nothing(scene: Scene):
    worker = await scene.worker()
    good = await scene.open_accounts(20)
    bad = await scene.book(scene.pay("a0", "a1"), scene.pay("a0", "a1"))
    more = await scene.book(*(scene.pay(f"a{n}", f"a{n + 1}") for n in range(2, 18)))
    # The journal lacks what a gap would be filled from: the batch fails in its middle.
    kept = await scene.forget("a0", 3)
    await scene.publish([*good, *(row for row in bad[-2:]), *more])

    assert await worker.exit_code() == 70, worker.story()

    await scene.remember(kept)
    worker.start()
    await scene.until_ready(worker)
    await scene.assert_equal(worker)
