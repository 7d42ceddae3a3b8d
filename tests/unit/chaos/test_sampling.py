"""The samples of a run: from the history as it grows, and from whoever answers."""

import asyncio
import socket

import msgspec
import pytest
from aiohttp import web

from chronos.chaos.history import Line, Recorder
from chronos.chaos.sampling import (
    Lag,
    Sources,
    Tail,
    outbox_lag,
    percentile,
    sampling,
    stage_lags,
)
from chronos.chaos.workload import NoLoad

MS = 1_000_000
STAGES = {
    "journal": {"status": "ok", "position": 9},
    "outbox": {"status": "ok", "lag_events": 4, "lag_seconds": 0.5, "shards": []},
    "kafka": {"status": "ok", "events": 7},
    "balances": {"status": "ok", "lag_events": 3, "lag_seconds": 1.25},
    "redis": {"status": "ok", "is_behind": True, "lag_events": 0, "lag_seconds": 0.0},
    "entries": {"status": "ok", "lag_events": 5, "lag_seconds": None},
    "accounts": {"status": "unavailable"},
}
METRICS = b"""# HELP chronos_outbox_backlog_rows Rows that wait
# TYPE chronos_outbox_backlog_rows gauge
chronos_outbox_backlog_rows{shard="0"} 120.0
chronos_outbox_backlog_rows{shard="1"} 3.0
chronos_outbox_oldest_unpublished_age_seconds{shard="0"} 2.5
chronos_outbox_oldest_unpublished_age_seconds{shard="1"} 0.25
"""


@pytest.fixture
def history(tmp_path):
    return tmp_path / "history.jsonl"


def invoke(number: int, at_ms: int, kind: str = "transfer", attempt: int = 1) -> Line:
    return Line(
        phase="invoke", at_ns=at_ms * MS, operation=number, attempt=attempt, kind=kind
    )  # fmt: skip


def end(number: int, at_ms: int, phase: str = "ok", attempt: int = 1) -> Line:
    return Line(phase=phase, at_ns=at_ms * MS, operation=number, attempt=attempt)


def write(history, *lines: Line) -> None:
    with history.open("ab") as file:
        file.writelines(msgspec.json.encode(line) + b"\n" for line in lines)


def sample(tail: Tail):
    return tail.sample(0, seconds=1.0, lags={})


def test_a_sample_counts_what_was_settled_since_the_last_one(history):
    tail = Tail(history)
    assert (sample(tail).transfers, sample(tail).p99_ms) == (0, None)

    write(history, invoke(1, 0), end(1, 10), invoke(2, 5), end(2, 35, "fail"), invoke(3, 30))
    first = sample(tail)
    write(history, end(3, 80), invoke(4, 80, "hold"), end(4, 84))
    second = sample(tail)

    assert (first.transfers, first.settled, first.p50_ms, first.p99_ms) == (1, 2, 10, 30)
    assert (second.transfers, second.settled, second.p50_ms, second.p99_ms) == (1, 2, 4, 50)


def test_a_latency_counts_from_the_first_sending(history):
    write(history, invoke(1, 0), end(1, 2_000, "info"), invoke(1, 2_100, attempt=2))
    tail = Tail(history)
    first = sample(tail)
    write(history, end(1, 2_150, attempt=2))

    assert (first.unknown, first.settled, first.p99_ms) == (1, 0, None)
    assert sample(tail).p99_ms == 2_150


def test_reads_are_in_no_latency(history):
    write(
        history, invoke(1, 0, "read"), end(1, 900), invoke(2, 0, "projected"), end(2, 9, "info")
    )

    got = sample(Tail(history))

    assert (got.settled, got.unknown, got.p50_ms) == (0, 0, None)


def test_half_a_line_waits_for_its_rest(history):
    tail = Tail(history)
    write(history, invoke(1, 0))
    whole = msgspec.json.encode(end(1, 7)) + b"\n"
    with history.open("ab") as file:
        file.write(whole[:9])
    assert sample(tail).settled == 0
    with history.open("ab") as file:
        file.write(whole[9:])

    assert sample(tail).p50_ms == 7


def test_a_recorder_can_be_followed(history):
    tail = Tail(history)
    with Recorder(history) as recorder:
        recorder.write(invoke(recorder.next_number(), 0))
        recorder.write(end(1, 3))
        recorder.flush()
        assert sample(tail).transfers == 1


@pytest.mark.parametrize(
    ("values", "hundredths", "value"),
    [
        ([], 50, None),
        ([1.0], 99, 1),
        ([1.0, 2.0], 50, 1),
        ([*map(float, range(1, 101))], 99, 99),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(values, hundredths, value):
    assert percentile(values, hundredths) == value


def test_who_is_filled_again_or_away_has_no_lag():
    lags = stage_lags(msgspec.json.encode({"as_of": "2026-01-01T00:00:00Z", "stages": STAGES}))

    assert lags == {
        "outbox": Lag(events=4, seconds=0.5),
        "balances": Lag(events=3, seconds=1.25),
        "entries": Lag(events=5),
    }


def test_the_outbox_is_the_sum_of_its_shards_and_as_old_as_the_oldest():
    assert outbox_lag(METRICS) == Lag(events=123, seconds=2.5)
    assert outbox_lag(b"chronos_relay_epoch 3.0\n") is None


@pytest.fixture
async def server():
    """A relay and a query side in one."""

    async def metrics(_request):
        return web.Response(body=METRICS)

    async def pipeline(request):
        assert request.headers["Authorization"] == "Bearer chr_key"
        return web.json_response({"stages": STAGES})

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/v1/pipeline", pipeline)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    yield f"http://{host}:{port}"
    await runner.cleanup()


async def until(samples, count):
    async with asyncio.timeout(15):
        while len(samples) < count:  # noqa: ASYNC110 - the list is the public side of it
            await asyncio.sleep(0.01)


async def test_every_second_has_its_sample(history, server):
    sources = Sources(pipelines=(server,), relays=(server,), api_key="chr_key")

    async with sampling(history, sources) as samples:
        await until(samples, 3)

    assert [0.9 < one.seconds < 1.6 for one in samples] == [True] * 3
    assert samples[-1].lags["outbox"] == Lag(events=4, seconds=0.5)
    assert samples[-1].lags["balances"] == Lag(events=3, seconds=1.25)
    assert "redis" not in samples[-1].lags
    assert (
        msgspec.json.decode(msgspec.json.encode(samples), type=list[type(samples[0])])
        == samples
    )


async def test_the_dead_and_the_deaf_hold_up_nothing(history, server):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        silent = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        sources = Sources(
            pipelines=(silent,), relays=("http://127.0.0.1:9", server), api_key="chr_key"
        )
        async with sampling(history, sources) as samples:
            await until(samples, 2)

    assert all(one.seconds < 1.6 for one in samples)
    assert samples[-1].lags == {"outbox": Lag(events=123, seconds=2.5)}


async def test_what_ends_the_run_comes_out_of_the_samples_as_it_is(history, server):
    sources = Sources(pipelines=(server,), relays=(server,), api_key="chr_key")

    with pytest.raises(NoLoad, match="ended by itself"):
        async with sampling(history, sources):
            raise NoLoad("The process of the clients ended by itself.")


async def test_a_history_that_cannot_be_read_does_not_pass_for_a_quiet_second(history, server):
    sources = Sources(pipelines=(server,), relays=(server,), api_key="chr_key")
    history.write_bytes(b"no line of a history\n")

    with pytest.raises(msgspec.DecodeError):
        async with sampling(history, sources) as samples:
            await asyncio.sleep(1.2)

    assert samples == []
