"""`chronos schemas`: what consumers pin is printed, written, and never lost by writing."""

import json
import os

import pytest
from click.testing import CliRunner

from chronos.cli.schemas import command
from tests.unit.wire.contract.documents import PUBLISHED


@pytest.fixture
def run(monkeypatch):
    for name in [name for name in os.environ if name.startswith("CHRONOS_")]:
        monkeypatch.delenv(name)

    def run_(*words, **variables):
        return CliRunner(env=variables).invoke(command, words)

    return run_


def test_without_a_wish_the_names_are_listed(run):
    listed = run()

    assert listed.exit_code == 0
    names = {line.split()[0] for line in listed.output.splitlines()[1:]}
    assert names == {path.stem for path in PUBLISHED.glob("*.json")}


@pytest.mark.parametrize("name", ["MoneyDeposited.v1", "Balance", "asyncapi"])
def test_one_is_printed_as_it_is_committed(run, name):
    shown = run("--show", name)

    assert json.loads(shown.output) == json.loads((PUBLISHED / f"{name}.json").read_bytes())


def test_the_topics_have_the_names_of_the_settings(run):
    shown = run("--show", "asyncapi", CHRONOS_NAMESPACE="other", CHRONOS_PARTITIONS="3")

    events = json.loads(shown.output)["channels"]["events"]
    assert events["address"] == "other.events.v1"
    assert events["bindings"]["kafka"]["partitions"] == 3


def test_an_unknown_name_is_answered_with_the_known_ones(run):
    shown = run("--show", "MoneyLost")

    assert shown.exit_code == 2
    assert "MoneyWithdrawn.v2" in shown.stderr


def test_the_written_files_are_the_committed_ones_and_writing_again_changes_nothing(
    run, tmp_path
):
    folder = tmp_path / "new" / "schemas"
    for _ in range(2):
        assert run("--write", str(folder)).exit_code == 0
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert files == {path.name: path.read_bytes() for path in PUBLISHED.glob("*.json")}


def test_a_file_that_promises_more_is_not_written_over(run, tmp_path):
    given_out = json.loads((PUBLISHED / "HoldVoided.v1.json").read_bytes())
    given_out["properties"]["reason"] = {"type": "string"}
    path = tmp_path / "HoldVoided.v1.json"
    path.write_text(json.dumps(given_out), encoding="utf-8")

    refused = run("--write", str(tmp_path))

    assert refused.exit_code == 1
    assert "HoldVoided.v1: /reason is gone. " in refused.stderr
    assert "since=2" in refused.stderr
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert json.loads(path.read_bytes()) == given_out
