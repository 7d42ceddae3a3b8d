from __future__ import annotations

import click
import pytest

from chronos.cli import main as entry
from chronos.errors import InvariantBroken, SettingFault


@pytest.fixture
def failing(monkeypatch):
    """Puts a command in the place of all others that raises what the test says."""

    def install(error: BaseException) -> None:
        @click.command()
        def command() -> None:
            raise error

        monkeypatch.setattr(entry._LazyCommands, "get_command", lambda *_: command)

    return install


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingFault("CHRONOS_X", "is wrong"), 78),
        (InvariantBroken("acc_1 disagrees."), 70),
        (ExceptionGroup("tasks", [SettingFault("CHRONOS_X", "is wrong")]), 78),
    ],
)
def test_a_fault_is_one_sentence_and_its_own_exit_code(failing, capsys, error, code):
    failing(error)

    with pytest.raises(SystemExit) as ended:
        entry.main(["up"])

    assert ended.value.code == code
    said = capsys.readouterr().err
    assert said.startswith("chronos: ")
    assert said.count("\n") == 1


def test_a_bug_is_not_hidden(failing):
    failing(ZeroDivisionError())

    with pytest.raises(ZeroDivisionError):
        entry.main(["up"])


def test_the_overview_loads_no_command(capsys, monkeypatch):
    monkeypatch.setattr(entry.importlib, "import_module", None)

    with pytest.raises(SystemExit) as ended:
        entry.main(["--help"])

    assert ended.value.code == 0
    assert "reconcile" in capsys.readouterr().out


def test_an_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        entry.main(["fly"])

    assert ended.value.code == 2
    assert "No such command" in capsys.readouterr().err


@pytest.mark.parametrize("name", list(entry.COMMANDS))
def test_every_command_of_the_overview_is_there_and_explains_itself(name):
    context = click.Context(entry.chronos)

    command = entry.chronos.get_command(context, name)

    assert command.help
    for option in command.params:
        assert isinstance(option, click.Argument) or option.help, option.name
