"""The command `chronos`: finds the command's module, and turns faults into one sentence."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from chronos.errors import ChronosError
from chronos.home import enter

# Module of chronos.cli, and the line of the overview, so that the overview loads none of them.
COMMANDS = {
    "demo": "run a bank's day through the whole pipeline and compare all read models",
    "up": "run the whole pipeline until Ctrl-C",
    "test": "run the tests against real servers",
    "account": "open, show and list accounts",
    "transfer": "move money from one account to another",
    "balance": "show a balance from the query side",
    "events": "print events, or refused commands, from their topics",
    "verify": "prove the journal",
    "reconcile": "compare every read model with the journal",
    "outbox": "show what waits for Kafka",
    "keys": "create, list and revoke API keys",
    "doctor": "look for what is wrong on this machine or with an instance",
    "config": "show every setting with its value",
    "bench": "measure",
    "migrate": "bring the database to the schema of this version",
    "topics": "create and show the topics",
    "schemas": "print or write what consumers of the topics rely on",
    "api": "run the command API",
    "worker": "run one Faust worker: relay, balances or mirror",
}


class _LazyCommands(click.Group):
    """Loads a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's shape
        """Names all commands, the most used first."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's shape
        """Loads a command: the object `command` of its module."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"chronos.cli.{cmd_name}")
        command = getattr(module, "command", None) or getattr(module, cmd_name, None)
        if not isinstance(command, click.Command):
            raise TypeError(f"chronos.cli.{cmd_name} has no click command named `command`")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's shape
        """Writes the overview."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
def chronos() -> None:
    """An event-sourced, distributed core-banking ledger.

    `chronos COMMAND --help` explains a command.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and ends the process with the command's exit code."""
    try:
        enter()
        chronos.main(args=None if arguments is None else list(arguments), prog_name="chronos")
    except ChronosError as fault:
        _end(fault)
    except BaseExceptionGroup as group:
        only = _only_fault(group)
        if only is None:
            raise
        _end(only)


def _only_fault(group: BaseExceptionGroup) -> ChronosError | None:
    """Gives the first fault of a task group in which nothing else went wrong."""
    faults, others = group.split(ChronosError)
    if faults is None or others is not None:
        return None
    first: BaseException = faults
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first if isinstance(first, ChronosError) else None


def _end(fault: ChronosError) -> NoReturn:
    print(f"chronos: {fault}", file=sys.stderr)
    sys.exit(fault.exit_code)
