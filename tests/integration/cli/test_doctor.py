"""`chronos doctor` on real servers, with real faults planted in what the test owns."""

import json
import socket
from pathlib import Path

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

SERVERS = {
    "postgres": "postgresql",
    "kafka": "kafka",
    "redis": "redis",
    "elasticsearch": "elasticsearch",
}


@pytest.fixture
def nowhere() -> str:
    """An address at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def examined(run, data):
    """Runs the doctor on the small bank; gives what it found by code and object."""

    async def work(**addresses: object) -> dict[tuple[str, str], dict[str, str]]:
        path = Path(data) / "run" / "addresses.json"
        known = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(known | addresses), encoding="utf-8")
        ended = await run("doctor", "--data", data, "--json")
        assert ended.code in (0, 1), ended.err
        answer = ended.json
        assert answer["healthy"] is (ended.code == 0)
        assert all(
            one["sentence"].endswith(".") and one["action"] for one in answer["findings"]
        )
        return {(one["code"], one["about"]): one for one in answer["findings"]}

    return work


async def in_database(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def test_each_server_that_answers_is_well_and_topics_that_are_missing_are_told(
    examined, estate
):
    found = await examined()

    for server in SERVERS.values():
        assert found["server", server]["severity"] == "ok"
        assert found["clock", server]["severity"] == "ok"
    assert found["schema", "postgresql"]["severity"] == "ok"
    assert found["role_rights", "chronos_writer"]["severity"] == "ok"
    names = estate.targets.names
    missing = {topic.name for topic in names.topics} - {names.events}
    assert {about for code, about in found if code == "topic"} == missing
    assert found["topic", names.rejections]["severity"] == "error"
    assert found["workers", names.app_id("mirror")]["severity"] == "error"


@pytest.mark.parametrize("server", SERVERS)
async def test_a_server_that_is_away_is_named_and_hides_no_other(examined, nowhere, server):
    away = {
        "postgres": f"postgresql://chronos_owner:geheim@{nowhere}/chronos",
        "kafka": nowhere,
        "redis": f"redis://:geheim@{nowhere}/0",
        "elasticsearch": f"http://{nowhere}",
    }

    found = await examined(**{server: away[server]})

    gone = found["server", SERVERS[server]]
    assert gone["severity"] == "error"
    assert "does not answer" in gone["sentence"]
    others = {about for code, about in found if code == "clock"}
    assert others == set(SERVERS.values()) - {SERVERS[server]}
    assert "geheim" not in json.dumps(list(found.values()))


async def test_a_server_that_takes_connections_and_says_nothing_is_given_up_in_time(
    examined,
):
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(64)
        address = f"127.0.0.1:{mute.getsockname()[1]}"

        found = await examined(kafka=address, redis=f"redis://{address}/0")

    assert found["server", "kafka"]["severity"] == "error"
    assert found["server", "redis"]["severity"] == "error"
    assert found["server", "postgresql"]["severity"] == "ok"
    assert found["server", "elasticsearch"]["severity"] == "ok"


@pytest.mark.usefixtures("refusals")
async def test_a_topic_with_another_count_of_partitions_is_an_error(examined, estate):
    found = await examined(partitions=5)

    names = estate.targets.names
    for topic in (names.events, names.rejections, names.dead_letters):
        wrong = found["topic_partitions", topic]
        assert wrong["severity"] == "error"
        assert "has 4 partitions, not 5" in wrong["sentence"]
    assert found["topic_partitions", names.relay_control]["severity"] == "ok"


@pytest.mark.usefixtures("refusals")
async def test_a_topic_that_forgets_is_an_error_and_dead_letters_are_counted(examined, estate):
    names, kafka = estate.targets.names, estate.targets.kafka
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        planted = ConfigResource(
            ConfigResourceType.TOPIC, names.rejections, {"retention.ms": "86400000"}
        )
        await admin.alter_configs([planted])
    finally:
        await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for _ in range(3):
            await producer.send_and_wait(names.dead_letters, b"not ours")

    found = await examined()

    assert "is 86400000, not -1" in found["topic_settings", names.rejections]["sentence"]
    assert found["dead_letters", names.dead_letters]["severity"] == "warning"
    assert "3 records" in found["dead_letters", names.dead_letters]["sentence"]


@pytest.mark.parametrize(
    ("statement", "seen"),
    [
        (
            "GRANT DELETE, UPDATE ON events TO chronos_writer",
            "DELETE on events, UPDATE on events",
        ),
        ("ALTER TABLE events OWNER TO chronos_writer", "owns events"),
        ("GRANT INSERT ON receipts TO chronos_reader", "may INSERT into receipts"),
    ],
)
async def test_a_role_with_too_many_rights_is_an_error(examined, estate, statement, seen):
    await in_database(estate.targets.postgres_dsn, statement)

    found = await examined()

    role = statement.rsplit(maxsplit=1)[-1]
    assert found["role_rights", role]["severity"] == "error"
    assert seen in found["role_rights", role]["sentence"]


async def test_a_schema_that_is_behind_is_an_error(examined, estate):
    newest = "(SELECT max(number) FROM schema_migrations)"
    forgotten = f"DELETE FROM schema_migrations WHERE number = {newest}"
    await in_database(estate.targets.postgres_dsn, forgotten)

    found = await examined()

    assert found["schema", "postgresql"]["severity"] == "error"
    assert "lacks migration" in found["schema", "postgresql"]["sentence"]


async def test_a_schema_that_is_ahead_is_an_error(examined, estate):
    later = "INSERT INTO schema_migrations (number, name, sha256) VALUES (7777, 'x', 'x')"
    await in_database(estate.targets.postgres_dsn, later)

    found = await examined()

    (wrong,) = [one for (code, _), one in found.items() if code == "schema"]
    assert wrong["severity"] == "error"


async def test_commits_that_are_not_waited_for_are_an_error(examined, estate):
    dsn = estate.targets.postgres_dsn
    name = dsn.rpartition("/")[2]
    await in_database(dsn, f"ALTER DATABASE \"{name}\" SET synchronous_commit = 'off'")

    found = await examined()

    assert found["postgres_setting", "synchronous_commit"]["severity"] == "error"


async def test_ports_and_processes_that_are_silent_are_errors(examined, nowhere, estate):
    url = f"http://{nowhere}"

    found = await examined(grpc=nowhere, metrics=[f"{url}/metrics"])

    assert found["port", nowhere]["severity"] == "error"
    assert "the gRPC door" in found["port", nowhere]["sentence"]
    assert found["process", "process-0"]["severity"] == "error"
    assert "does not answer" in found["process", "process-0"]["sentence"]
    query = estate.targets.doors.query.removeprefix("http://")
    assert found["port", query]["severity"] == "ok"


async def test_a_worker_that_is_stuck_and_short_of_files_says_so(examined):
    texts = {
        "/healthz": (503, '{"status": "stuck"}'),
        "/readyz": (200, '{"ready": true}'),
        "/metrics": (200, "process_open_fds 900\nprocess_max_fds 1024\n"),
    }

    async def answer(request: web.Request) -> web.Response:
        status, text = texts[request.path]
        return web.Response(status=status, text=text)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server:
        found = await examined(metrics=[str(server.make_url("/metrics"))])

    assert "is stuck" in found["process", "process-0"]["sentence"]
    assert "900 of 1,024" in found["file_descriptors", "process-0"]["sentence"]


async def test_nothing_that_runs_is_a_finding_and_people_read_sentences(run, data, tmp_path):
    nothing = await run("doctor", "--data", str(tmp_path / "none"), "--json")
    told = await run("doctor", "--data", data)
    misspelt = await run("doctor", "--dtaa", data)

    assert (nothing.code, told.code, misspelt.code) == (1, 1, 2)
    assert [one["code"] for one in nothing.json["findings"]] == ["instance"]
    lines = told.out.splitlines()
    assert lines[0].startswith("error ")
    assert lines[1].startswith("         → ")
    assert lines[-1].endswith("need a hand")


async def test_addresses_in_the_environment_are_examined_without_a_data_folder(
    run, estate, nowhere
):
    targets = estate.targets

    ended = await run(
        "doctor",
        "--json",
        CHRONOS_NAMESPACE=targets.names.namespace,
        CHRONOS_POSTGRES_DSN=targets.postgres_dsn,
        CHRONOS_KAFKA=targets.kafka,
        CHRONOS_REDIS_URL=targets.redis_url,
        CHRONOS_ELASTICSEARCH_URL=f"http://{nowhere}",
    )

    assert ended.code == 1
    found = {(one["code"], one["about"]): one for one in ended.json["findings"]}
    answers = {about for code, about in found if code == "clock"}
    assert answers == {"postgresql", "kafka", "redis"}
    assert found["server", "elasticsearch"]["severity"] == "error"
    assert {"relay", "balances", "mirror", "api-0"} <= {
        about for code, about in found if code == "process"
    }


async def test_a_database_without_a_schema_is_told_and_hides_nothing(examined, empty_database):
    found = await examined(postgres=empty_database)

    assert "lacks migration 0001" in found["schema", "postgresql"]["sentence"]
    assert "chronos migrate up" in found["relay", "relay"]["sentence"]
    assert found["server", "postgresql"]["severity"] == "ok"
    assert found["server", "redis"]["severity"] == "ok"


async def test_an_address_that_is_none_is_told_and_hides_nothing(examined):
    found = await examined(postgres="postgresql://x:geheim@host:port/y", redis="nonsense")

    assert found["server", "postgresql"]["severity"] == "error"
    assert found["server", "redis"]["severity"] == "error"
    assert found["server", "kafka"]["severity"] == "ok"
    assert found["server", "elasticsearch"]["severity"] == "ok"
    assert "geheim" not in json.dumps(list(found.values()))
