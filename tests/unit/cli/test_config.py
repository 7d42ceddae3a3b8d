from __future__ import annotations

import dataclasses
import json
import re

import pytest
from click.testing import CliRunner

from chronos.cli.config import MASKED, command, masked
from chronos.cli.effects import EFFECTS
from chronos.settings import FOREIGN_NAMES, PREFIX, Settings


@pytest.fixture
def show(monkeypatch):
    """Runs `config show` with these variables and arguments."""

    def run(*arguments: str, **variables: str):
        monkeypatch.setattr("chronos.cli.config.process_environment", lambda: variables)
        return CliRunner().invoke(command, ["show", *arguments])

    return run


def rows(result) -> dict[str, dict[str, object]]:
    return {row["variable"]: row for row in json.loads(result.stdout)}


def test_every_setting_is_shown_with_what_it_means_and_changes(show):
    result = show("--json")

    shown = rows(result)
    ours = {name for name in shown if name.startswith(PREFIX)}
    assert ours == {
        *(PREFIX + field.name.upper() for field in dataclasses.fields(Settings)),
        *FOREIGN_NAMES,
    }
    assert {name.partition("_")[0] for name in set(shown) - ours} == {"OTEL"}
    for row in shown.values():
        assert row["source"] == "default"
        assert row["meaning"]
        assert row["changes"]
    assert set(EFFECTS) == {field.name for field in dataclasses.fields(Settings)}
    assert result.exit_code == 0


def test_every_amount_has_its_unit(show):
    shown = rows(show("--json"))
    numbers = [field for field in dataclasses.fields(Settings) if field.type == "int"]
    # A port and a slot are numbers of something, not how much of it.
    amounts = {
        PREFIX + field.name.upper()
        for field in numbers
        if field.name != "slot" and not field.name.endswith("_port")
    }

    assert len(amounts) > 20
    for variable, row in shown.items():
        if not variable.startswith(PREFIX):
            continue
        assert bool(row["unit"]) == (variable in amounts), variable
        ending = {"_S": "s", "_MS": "ms"}.get(variable[variable.rfind("_") :], row["unit"])
        assert row["unit"] == ending, variable
        if variable.endswith("_MAX"):
            assert row["unit"] in {"commands", "connections", "rows", "events", "streams"}


def test_an_amount_is_shown_with_its_unit(show):
    assert re.search(r"CHRONOS_COMMANDS_PENDING_MAX +4096 commands +default", show().stdout)


def test_each_value_names_where_it_comes_from(show, tmp_path):
    secret = tmp_path / "redis.url"
    secret.write_text("redis://:geheim@cache:6379/0\n", encoding="utf-8")

    result = show(
        *("--json", "--data", str(tmp_path)),
        CHRONOS_DRAIN_S="30",
        CHRONOS_REDIS_URL_FILE=str(secret),
        CHRONOS_JAVA="/opt/java",
    )

    shown = rows(result)
    assert {variable: row["source"] for variable, row in shown.items()} == dict.fromkeys(
        shown, "default"
    ) | {
        "CHRONOS_DRAIN_S": "environment",
        "CHRONOS_REDIS_URL": "file",
        "CHRONOS_DATA_DIR": "option",
        "CHRONOS_JAVA": "environment",
    }
    assert shown["CHRONOS_DRAIN_S"]["value"] == 30
    assert shown["CHRONOS_DRAIN_S"]["default"] == 20
    assert shown["CHRONOS_REDIS_URL"]["value"] == f"redis://:{MASKED}@cache:6379/0"
    assert shown["CHRONOS_REDIS_URL"]["file_variable"] == "CHRONOS_REDIS_URL_FILE"
    assert "geheim" not in result.output


@pytest.mark.parametrize("name", ["CHRONOS_DRAIN_S", "chronos_drain_s", "drain_s", "drain-s"])
def test_one_setting_is_shown_with_its_bounds(show, name):
    result = show(name, CHRONOS_DRAIN_S="30")

    lines = dict(line.split("  ", 1) for line in result.stdout.splitlines())
    told = {key: value.strip() for key, value in lines.items()}
    assert told["value"] == "30 s"
    assert told["from"] == "environment"
    assert told["default"] == "20 s"
    assert told["takes"] == "1 to 120"
    assert told["changes"] == EFFECTS["drain_s"]


def test_one_setting_as_json_is_one_object(show):
    row = json.loads(show("--json", "log_level").stdout)

    assert row["variable"] == "CHRONOS_LOG_LEVEL"
    assert row["choices"] == ["debug", "info", "warning", "error"]


def test_the_file_of_a_secret_leads_to_the_secret(show):
    assert json.loads(show("--json", "api_key_file").stdout)["variable"] == "CHRONOS_API_KEY"


def test_a_name_that_is_none_is_refused_with_the_nearest(show):
    result = show("drain")

    assert result.exit_code == 2
    assert "did you mean CHRONOS_DRAIN_S?" in result.stderr


def test_what_cannot_be_used_is_pointed_out_and_the_rest_is_shown(show):
    result = show("--json", CHRONOS_DRAIN_S="soon", CHRONOS_LANES="geheim", CHRONOS_SLOT="3")

    shown = rows(result)
    assert result.exit_code == 78
    assert shown["CHRONOS_DRAIN_S"]["value"] == 20
    assert "takes a whole number" in shown["CHRONOS_DRAIN_S"]["fault"]
    assert shown["CHRONOS_LANES"]["fault"].startswith("CHRONOS_LANES: is not a setting")
    assert shown["CHRONOS_SLOT"]["value"] == 3
    assert result.stderr.count("chronos: ") == 2
    assert "geheim" not in result.output


def test_an_unknown_variable_shows_the_nearest_name(show):
    result = show("--json", CHRONOS_WRITER_LANE="3")

    assert rows(result)["CHRONOS_WRITER_LANE"]["nearest"] == "CHRONOS_WRITER_LANES"
    assert "did you mean CHRONOS_WRITER_LANES?" in result.stderr


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("", ""),
        ("chk_abc_secret", MASKED),
        ("postgresql://u:secret@h:1/d", f"postgresql://u:{MASKED}@h:1/d"),
        ("postgresql://u@h:1/d", "postgresql://u@h:1/d"),
        ("postgresql://h/d?password=secret", MASKED),
        ("postgresql://u:se/cret@h/d", MASKED),
        ("host=h password=secret", MASKED),
        ("http://127.0.0.1:9200", "http://127.0.0.1:9200"),
        ("http://[secret", MASKED),
    ],
)
def test_of_a_secret_address_only_what_is_no_secret_is_shown(value, shown):
    assert masked(value) == shown


def test_what_is_obeyed_of_opentelemetry_is_shown_without_its_secrets(show):
    result = show(
        "--json",
        OTEL_EXPORTER_OTLP_ENDPOINT="https://me:geheim@c:4318",
        OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer geheim",
        OTEL_TRACES_SAMPLER_ARG="0.01",
    )

    shown = rows(result)
    assert result.exit_code == 0
    assert shown["OTEL_EXPORTER_OTLP_ENDPOINT"]["value"] == f"https://me:{MASKED}@c:4318"
    assert shown["OTEL_EXPORTER_OTLP_HEADERS"]["value"] == MASKED
    share, sampler = shown["OTEL_TRACES_SAMPLER_ARG"], shown["OTEL_TRACES_SAMPLER"]
    assert (share["value"], share["source"]) == ("0.01", "environment")
    assert (sampler["value"], sampler["source"]) == ("parentbased_always_on", "default")
    assert shown["OTEL_BSP_SCHEDULE_DELAY"]["unit"] == "ms"
    assert "geheim" not in result.output
    assert (
        "value    0.01"
        in show("otel_traces_sampler_arg", OTEL_TRACES_SAMPLER_ARG="0.01").stdout
    )


def test_a_variable_of_opentelemetry_that_keeps_processes_down_is_pointed_out(show):
    receiver = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}
    sampler = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1%"}
    wrong = show("--json", **receiver, **sampler)
    grpc = show("--json", **receiver, OTEL_EXPORTER_OTLP_PROTOCOL="grpc")

    assert wrong.exit_code == grpc.exit_code == 78
    assert "from 0 to 1" in rows(wrong)["OTEL_TRACES_SAMPLER_ARG"]["fault"]
    assert "http/protobuf only" in grpc.stderr
    # Where no receiver is named, nobody looks at them.
    assert show("--json", **sampler).exit_code == 0
