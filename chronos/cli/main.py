"""The command `chronos`: finds the command's module, and turns faults into one sentence."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from chronos.errors import ChronosError
from chronos.home import enter

# Where each command is, and its line of the overview, so that the overview loads none of them.
SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "The whole": {
        "demo": (
            "demo",
            "run a bank's day through the whole pipeline and compare all read models",
        ),
        "up": ("up", "run the whole pipeline until Ctrl-C"),
        "test": ("test", "run the tests against real servers"),
    },
    "The bank": {
        "account": ("account", "open, show and list accounts"),
        "transfer": ("transfer", "move money from one account to another"),
        "entries": ("entries", "book postings that sum to zero"),
        "exchange": ("exchange", "sell one currency for another"),
        "reverse": ("reverse", "book a transfer once more with its sides swapped"),
        "hold": ("hold", "reserve amounts: place, capture, void, show, list"),
        "limit": ("verbs:limit", "set how far below zero an account may go"),
        "freeze": ("verbs:freeze", "forbid an account to pay, or also to be paid"),
        "unfreeze": ("verbs:unfreeze", "let a frozen account pay and be paid again"),
        "close": ("verbs:close", "close an empty account for good"),
        "annotate": ("verbs:annotate", "replace the metadata of an account"),
        "batch": ("batch", "execute many commands in one transaction"),
    },
    "Its books": {
        "balance": ("balance", "show a balance: now, at a moment, for a banking day"),
        "statement": ("statement", "state what moved money on an account, also as CSV"),
        "history": ("history", "search what happened on an account"),
        "transfers": ("transfers", "search and show transfers and all other entries"),
        "trial-balance": ("trial_balance", "add up the books, at any moment"),
        "currencies": ("currencies", "list the currencies of ISO 4217"),
        "export": ("export", "write the journal as JSON lines that prove themselves"),
        "import": ("intake", "bring in accounts, opening balances and past entries"),
        "events": ("events", "print events: of the topic, of the live stream, of an account"),
    },
    "Proving and looking": {
        "verify": ("verify", "prove the journal, or a file that was exported"),
        "reconcile": ("reconcile", "compare every read model with the journal"),
        "rebuild": ("rebuild", "make a read model anew from the journal"),
        "republish": (
            "republish",
            "publish events again, from a position of the journal on",
        ),
        "chaos": ("chaos", "hurt a pipeline under load and count what is left"),
        "backup": ("backup:backup", "copy the database of a running instance"),
        "restore": ("backup:restore", "put a backup in the place of a database"),
        "outbox": ("outbox", "show what waits for Kafka"),
        "dead-letters": ("dead_letters", "show records that were found and are not ours"),
        "top": ("top", "watch the pipeline: throughput, lag of each stage, every process"),
        "doctor": ("doctor", "look for what is wrong on this machine or with an instance"),
        "config": ("config", "show every setting with its value"),
        "bench": ("bench", "measure"),
    },
    "Its parts": {
        "keys": ("keys", "create, list and revoke API keys"),
        "migrate": ("migrate", "bring the database to the schema of this version"),
        "topics": ("topics", "create and show the topics"),
        "schemas": ("schemas", "print or write what consumers of the topics rely on"),
        "api": ("api", "run the command API"),
        "worker": ("worker", "run one Faust worker: relay, balances or mirror"),
        "secrets": ("secret_files", "make the secrets of docker-compose.yml"),
    },
}
COMMANDS = {name: one for section in SECTIONS.values() for name, one in section.items()}


class _LazyCommands(click.Group):
    """Loads a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's shape
        """Names all commands, the most used first."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's shape
        """Loads a command: the object `command` of its module, or the one that is named."""
        if cmd_name not in COMMANDS:
            return None
        place, _ = COMMANDS[cmd_name]
        file, _, name = place.partition(":")
        module = importlib.import_module(f"chronos.cli.{file}")
        command = getattr(module, name or "command", None)
        if not isinstance(command, click.Command):
            raise TypeError(f"chronos.cli.{file} has no click command {name or 'command'}")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's shape
        """Writes the overview, section by section."""
        width = max(map(len, COMMANDS))
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(name.ljust(width), line) for name, (_, line) in commands.items()]
                )


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
