"""Options of the benches, and how a run that was not healthy ends."""

import json

import click
import pytest
from click.testing import CliRunner

from chronos.bench.report import Report
from chronos.cli.bench import command
from chronos.cli.bench_options import bench_options, end

REPORT = Report(
    bench="transfers",
    what="single transfers over HTTP",
    commit="0123456789ab",
    started_at="2026-11-28T02:00:00.000000Z",
    machine={"processors": 2},
    load_average=0.5,
    postgresql={"fsync": "on"},
    settings={"connections": 64, "rate": None},
)


def test_a_run_in_which_something_failed_ends_with_one_and_keeps_its_report(tmp_path, capsys):
    file = tmp_path / "report.json"
    with pytest.raises(SystemExit) as ended:
        end(REPORT, file, {"409 insufficient_funds": 3})

    assert ended.value.code == 1
    said = capsys.readouterr()
    assert "409 insufficient_funds 3" in said.err
    assert "connections 64\n" in said.out  # and no rate, since there was none
    assert json.loads(file.read_bytes())["bench"] == "transfers"


def test_a_healthy_run_just_ends(capsys):
    end(REPORT, None, {})

    assert "fsync on" in capsys.readouterr().out


@pytest.mark.parametrize("words", [
    ("transfers", "--connections", "0"),
    ("transfers", "--rate", "0"),
    ("transfers", "--skew", "pareto"),
    ("transfers", "--accounts", "1"),
    ("batches", "--batch", "1001"),
    ("balance", "--from", "elasticsearch"),
    ("balance", "--workers", "0"),
    ("history", "--events", "5,3"),
    ("history", "--seconds", "0"),
])  # fmt: skip
def test_an_option_out_of_its_range_is_refused_before_anything_starts(words):
    done = CliRunner().invoke(command, words)

    assert done.exit_code == 2
    assert words[1] in done.output


@pytest.mark.parametrize(("words", "said"), [
    (("transfers", "--query", "http://127.0.0.1:1"), "name --api too"),
    (("transfers", "--api", "http://127.0.0.1:1"), "CHRONOS_API_KEY"),
    (("transfers", "--data", "somewhere", "--api", "http://127.0.0.1:1"), "leave --api"),
])  # fmt: skip
def test_addresses_that_contradict_each_other_are_refused(words, said, monkeypatch):
    monkeypatch.delenv("CHRONOS_API_KEY", raising=False)
    done = CliRunner().invoke(command, words)

    assert said in str(done.exception)


def test_an_address_behind_tls_is_refused_before_anything_is_opened(monkeypatch):
    monkeypatch.setenv("CHRONOS_API_KEY", "key")
    done = CliRunner().invoke(command, ("transfers", "--api", "https://ledger.example"))

    assert "plain HTTP/1.1" in str(done.exception)


def test_the_exponent_of_zipf_is_in_the_help():
    done = CliRunner().invoke(command, ("transfers", "--help"), terminal_width=200)

    assert "0.99" in done.output


def test_shared_options_take_other_defaults():
    @click.command()
    @bench_options("connections", "rate", connections=3)
    def shown(connections, rate):
        click.echo(f"{connections} {rate}")

    assert CliRunner().invoke(shown, ()).output == "3 None\n"


@pytest.mark.parametrize("name", sorted(command.commands))
def test_every_option_says_what_it_is(name):
    options = [one for one in command.commands[name].params if isinstance(one, click.Option)]

    assert [one.name for one in options if not one.help] == []
