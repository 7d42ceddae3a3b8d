"""What a running pipeline shows, and what a real Prometheus makes of it."""

from __future__ import annotations

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.metrics_table import PROCESSES, rows
from tests.prometheus import eventually
from tests.unit.telemetry.test_rules_and_dashboards import EXPRESSIONS, RULES

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCRAPED_S = 30
FIRES_S = 60
RESOLVES_S = 60
RATE_INTERVAL = "10s"
# What the pipeline's health is judged by: each is there after a little traffic.
WANTED = (
    "chronos_outbox_oldest_unpublished_age_seconds",
    "chronos_outbox_commit_to_kafka_seconds_count > 0",
    'chronos_commit_to_read_model_seconds_count{read_model="table"} > 0',
    'chronos_commit_to_read_model_seconds_count{read_model="redis"} > 0',
    'chronos_commit_to_read_model_seconds_count{read_model="entries"} > 0',
    'chronos_commit_to_read_model_seconds_count{read_model="accounts"} > 0',
    'count(chronos_sink_lag_events{sink=~"table|redis|entries|accounts"}) >= 4',
    'count(chronos_sink_lag_seconds{sink=~"table|redis|entries|accounts"}) >= 4',
    "chronos_append_batch_commands_count > 0",
    "chronos_outbox_page_rows_count > 0",
    'chronos_stream_batch_events_count{agent="balances"} > 0',
    'chronos_rejections_total{code="insufficient_funds"} == 1',
    'chronos_commands_total{command="TransferFunds",outcome="replayed"} == 1',
    "chronos_balance_gaps_repaired_total == 0",
    'chronos_stream_dead_letters_total{agent="mirror-accounts"} == 0',
    'chronos_postgres_pool_wait_seconds_count{process="api",pool="reads"} > 0',
    "count(chronos_outbox_table_age_seconds) == 3",
    "count(chronos_outbox_table_bytes > 0) == 3",
    "count(chronos_event_loop_lag_seconds_count > 0) == 4",
    'count(process_resident_memory_bytes{job="chronos"} > 1e7) == 4',
    "count(chronos_process_ready == 1) == 4",
)


async def read(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 200
        return await answer.text()


@pytest.mark.parametrize("process", PROCESSES)
async def test_a_process_shows_what_the_table_lists_within_its_bounds(metrics, process):
    table = {name: row for name, row in rows().items() if process in row.processes}
    text = await read(metrics[process])
    told = {line.split(" ")[2] for line in text.splitlines() if line.startswith("# TYPE ")}
    families = list(text_string_to_metric_families(text))

    assert told == set(table)
    for family in families:
        row = table[family.name + ("_total" if family.type == "counter" else "")]
        values = {label: set() for label in row.labels}
        for sample in family.samples:
            assert sample.name in row.samples
            assert set(sample.labels) == row.samples[sample.name]
            for label in row.labels:
                values[label].add(sample.labels[label])
        for label, most in row.labels.items():
            assert len(values[label]) <= most, f"{row.name}, {label}: {values[label]}"


async def test_prometheus_finds_every_process_and_what_it_is_judged_by(prometheus):
    async def all_wanted() -> bool:
        return not [one for one in WANTED if not await prometheus.query(one)]

    try:
        await eventually(all_wanted, within_s=SCRAPED_S)
    except TimeoutError:
        missing = [one for one in WANTED if not await prometheus.query(one)]
        pytest.fail(f"not there: {missing}")
    up = await prometheus.query('up{job="chronos"}')
    assert {(one["metric"]["process"], one["value"][1]) for one in up} == {
        (process, "1") for process in PROCESSES
    }


async def test_prometheus_answers_every_expression_of_rules_and_dashboards(prometheus):
    # A dashboard's own variable, as Grafana would fill it in.
    panels = [one.replace("$__rate_interval", RATE_INTERVAL) for one, _ in EXPRESSIONS]
    empty: list[str] = []

    async def most_panels_show_something() -> bool:
        empty[:] = [one for one in panels if not await prometheus.query(one)]
        return len(empty) < len(panels) / 4

    for rule in RULES:
        await prometheus.query(rule["expr"])
    assert not [one for one in panels if "$" in one]
    try:
        await eventually(most_panels_show_something, within_s=SCRAPED_S)
    except TimeoutError:
        pytest.fail(f"{len(empty)} of {len(panels)} are empty: {empty}")


async def test_a_healthy_pipeline_wakes_nobody(prometheus):
    async def quiet() -> bool:
        return not {name for name, state in await prometheus.alerts() if state == "firing"}

    await eventually(quiet, within_s=SCRAPED_S)


async def test_alerts_fire_in_a_fault_tell_what_to_do_and_resolve(scene, client, prometheus):
    async def fires(*names: str) -> bool:
        return {(name, "firing") for name in names} <= await prometheus.alerts()

    async def are_resolved() -> bool:
        return not {name for name, state in await prometheus.alerts() if state == "firing"}

    scene.pause("elasticsearch")
    await client.transfers.make("bank", "anna", amount=1, currency="EUR")
    await eventually(lambda: fires("ChronosStoreAwaited"), within_s=FIRES_S)
    scene.pause("relay")
    await eventually(
        lambda: fires("ChronosProcessDown", "ChronosReadModelBehind"), within_s=FIRES_S
    )

    (down,) = await prometheus.told("ChronosProcessDown")
    assert down["summary"].startswith("relay at 127.0.0.1:")
    behind = {
        one["summary"].split()[0] for one in await prometheus.told("ChronosReadModelBehind")
    }
    assert behind & {"entries", "accounts"}
    assert "table" not in behind

    scene.resume("relay")
    scene.resume("elasticsearch")
    await eventually(are_resolved, within_s=RESOLVES_S)
