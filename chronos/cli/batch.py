"""`chronos batch FILE`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from chronos.cli.instance import find_instance
from chronos.cli.sending import sending_options
from chronos.cli.show import instance_options, plain, print_json, print_table, run
from chronos.client.receipts import BatchResult, Executed

FILE_BYTES_MAX = 4 << 20
_NO_BATCH = "It is neither a list of commands, nor a batch, nor a command on each line."


@click.command(name="batch")
@click.argument("file", type=click.File("rb"))
@click.option("--atomic/--not-atomic", default=None, help="All are granted, or none is done.")
@sending_options
@instance_options
def command(
    file: BinaryIO,
    atomic: bool | None,  # noqa: FBT001 - an option's own shape
    data: Path | None,
    *,
    as_json: bool,
    **options: Any,
) -> None:
    """Execute many commands in one transaction; FILE is - for standard input.

    FILE is JSON: a list of commands, an object with `commands` and `atomic`, or one command a
    line. Each has a `type` (open_account, transfer, entries, exchange, reverse, hold, capture,
    void, freeze, unfreeze, close, set_overdraft_limit, annotate), the fields of that command,
    `id` for what it is about, and perhaps an `idempotency_key`. Amounts are minor units.

    Exit code 1 when a command was refused; the others are done all the same, unless the batch
    is atomic.
    """
    commands, said = _read(file)
    instance = find_instance(data)

    async def work() -> int:
        async with instance.client() as client:
            done = await client.batches.run(
                commands, atomic=said if atomic is None else atomic, **options
            )
        refused = sum(result.refusal is not None for result in done.results)
        if as_json:
            print_json(plain(done))
        else:
            _print(done, commands, refused)
        return 1 if refused else 0

    run(work(), as_json=as_json)


def _read(file: BinaryIO) -> tuple[list[dict[str, Any]], bool]:
    """Gives the commands, and whether the file says that they are atomic."""
    text = file.read(FILE_BYTES_MAX + 1)
    if len(text) > FILE_BYTES_MAX:
        raise click.BadParameter(f"The file has more than {FILE_BYTES_MAX} bytes.")
    try:
        value = msgspec.json.decode(text.removeprefix(b"\xef\xbb\xbf"))
    except msgspec.DecodeError:
        value = _lines(text)
    if isinstance(value, dict) and "commands" in value:
        return _commands(value["commands"]), value.get("atomic") is True
    return _commands([value] if isinstance(value, dict) else value), False


def _lines(text: bytes) -> list[Any]:
    try:
        return [msgspec.json.decode(line) for line in text.splitlines() if line.strip()]
    except msgspec.DecodeError as error:
        raise click.BadParameter(f"The file is not JSON: {error}.") from error


def _commands(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise click.BadParameter(_NO_BATCH)
    return value


def _print(done: Executed, commands: list[dict[str, Any]], refused: int) -> None:
    print_table(
        ("number", "type", "status", "outcome"),
        [
            (number, command.get("type"), result.status, _outcome(result))
            for number, (command, result) in enumerate(
                zip(commands, done.results, strict=True), start=1
            )
        ],
    )
    replayed = " (replayed: it was done before with this key)" if done.replayed else ""
    print(f"{len(commands) - refused} done, {refused} refused{replayed}", file=sys.stderr)


def _outcome(result: BatchResult) -> str:
    if result.refusal is not None:
        return f"{result.refusal.detail} [{result.refusal.code}]"
    name = "" if result.receipt is None else result.receipt.id
    return f"{name} (replayed)" if result.replayed else name
