from __future__ import annotations

import dataclasses
import traceback

import pytest

from chronos.embedded.servers import ForeignAddresses
from chronos.errors import SettingFault
from chronos.settings import PREFIX, SECRET_FILE_BYTES_MAX, Settings, Source, nearest_name, read

SECRET = "postgresql://chronos_writer:geheim@db:5432/chronos"


@pytest.fixture
def secret_file(tmp_path):
    path = tmp_path / "writer.dsn"
    path.write_text(SECRET + "\n", encoding="utf-8")
    return str(path)


def test_a_secret_can_stand_in_a_file(secret_file):
    reading = read({"CHRONOS_POSTGRES_DSN_FILE": secret_file})

    assert reading.settings.postgres_dsn == SECRET
    assert reading.sources == {"postgres_dsn": Source.FILE}
    assert reading.faults == ()


def test_every_secret_can_stand_in_a_file_and_nothing_else_can(secret_file):
    secret = {f.name for f in dataclasses.fields(Settings) if f.metadata["secret"]}
    assert secret == {"postgres_dsn", "writer_dsn", "redis_url", "elasticsearch_url", "api_key"}

    for name in secret:
        settings = Settings.from_environment({f"{PREFIX}{name.upper()}_FILE": secret_file})
        assert dataclasses.asdict(settings)[name] == SECRET
    with pytest.raises(SettingFault, match="CHRONOS_KAFKA_FILE: is not a setting"):
        Settings.from_environment({"CHRONOS_KAFKA_FILE": secret_file})


def test_children_get_the_secret_itself(secret_file):
    settings = Settings.from_environment({"CHRONOS_POSTGRES_DSN_FILE": secret_file})

    assert Settings.from_environment(settings.to_environment()) == settings


def test_a_secret_that_is_given_twice_is_refused(secret_file):
    given = {"CHRONOS_POSTGRES_DSN": "x", "CHRONOS_POSTGRES_DSN_FILE": secret_file}

    with pytest.raises(
        SettingFault, match="and so is CHRONOS_POSTGRES_DSN; set one"
    ) as refused:
        Settings.from_environment(given)
    assert refused.value.exit_code == 78


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "does not hold one line"),
        (b"\n", "does not hold one line"),
        (b"geheim\nsecond line\n", "does not hold one line"),
        (b"geh\x00eim", "does not hold one line"),
        (b"x" * (SECRET_FILE_BYTES_MAX + 1), "does not hold one line"),
        (b"geheim \xff", "it is not UTF-8"),
        (None, "No such file"),
    ],
)
def test_a_file_that_holds_no_secret_is_refused_without_its_content(tmp_path, content, why):
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(SettingFault, match=why) as refused:
        Settings.from_environment({"CHRONOS_API_KEY_FILE": str(path)})
    assert "CHRONOS_API_KEY_FILE" in str(refused.value)
    assert "geheim" not in printed(refused)


@pytest.mark.parametrize("secret", [SECRET, "geheim" * 100])
def test_a_secret_in_the_place_of_its_files_path_is_not_repeated(secret):
    with pytest.raises(SettingFault, match="takes the path of a file") as refused:
        Settings.from_environment({"CHRONOS_API_KEY_FILE": secret})

    assert secret not in printed(refused)


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path):
    with pytest.raises(SettingFault, match="Is a directory"):
        Settings.from_environment({"CHRONOS_REDIS_URL_FILE": str(tmp_path)})


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("CHRONOS_PARTITION", "CHRONOS_PARTITIONS"),
        ("CHRONOS_WRITER_LANE", "CHRONOS_WRITER_LANES"),
        ("CHRONOS_POSTGRES_DSN_FIL", "CHRONOS_POSTGRES_DSN_FILE"),
        ("CHRONOS_postgres_dsn", "CHRONOS_POSTGRES_DSN"),
        ("CHRONOS_RUNAS", "CHRONOS_RUN_AS"),
        ("CHRONOS_QQQ", None),
    ],
)
def test_an_unknown_variable_is_refused_with_the_one_that_was_meant(misspelt, meant):
    with pytest.raises(SettingFault) as refused:
        Settings.from_environment({misspelt: "geheim"})

    assert misspelt in str(refused.value)
    assert "geheim" not in str(refused.value)
    assert nearest_name(misspelt) == meant
    assert (f"did you mean {meant}?" in str(refused.value)) is (meant is not None)


def test_all_that_cannot_be_used_is_found_at_once_and_the_rest_is_read():
    reading = read(
        {
            "CHRONOS_PARTITIONS": "12",
            "CHRONOS_DRAIN_S": "soon",
            "CHRONOS_TIME_ZONE": "Nowhere",
            "CHRONOS_LANES": "2",
            "OTHER": "x",
        }
    )

    assert {fault.setting for fault in reading.faults} == {
        "CHRONOS_DRAIN_S", "CHRONOS_TIME_ZONE", "CHRONOS_LANES",
    }  # fmt: skip
    assert reading.settings == Settings(partitions=12)


def test_a_server_whose_address_stands_in_a_file_is_not_started(secret_file):
    foreign = ForeignAddresses.from_environment(
        {"CHRONOS_POSTGRES_DSN_FILE": secret_file, "CHRONOS_KAFKA": "kafka:19092"}
    )

    assert foreign == ForeignAddresses(postgres=SECRET, kafka="kafka:19092")


def test_no_server_is_given_unless_it_is_named():
    assert ForeignAddresses.from_environment({}) == ForeignAddresses()
    assert ForeignAddresses.from_environment({"CHRONOS_KAFKA": ""}) == ForeignAddresses()


def printed(refused):
    return "".join(traceback.format_exception(refused.value)) + str(refused.value)
