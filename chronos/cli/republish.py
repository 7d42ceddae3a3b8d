"""`chronos republish`: events come once more, from a position of the journal on."""

from __future__ import annotations

from pathlib import Path

import click

from chronos.audit.republish import republish
from chronos.cli.instance import find_instance
from chronos.cli.rebuild import shown_progress
from chronos.cli.show import instance_options, print_json, run
from chronos.cli.up import quiet_libraries

POSITION_MAX = 2**63 - 1
"""PostgreSQL counts events in a bigint."""


@click.command(name="republish")
@click.option(
    "--from",
    "position",
    required=True,
    type=click.IntRange(0, POSITION_MAX),
    help="First position; 0 publishes the whole journal again.",
)
@instance_options
def command(position: int, data: Path | None, *, as_json: bool) -> None:
    """Publish events again, from a position of the journal on.

    Nothing is taken away: consumers of Chronos skip the versions that they know.
    """
    instance = find_instance(data)
    quiet_libraries()

    async def work() -> None:
        with shown_progress() as told:
            published = await republish(
                instance.postgres_dsn,
                instance.kafka,
                instance.names,
                position=position,
                progress=told,
            )
        if as_json:
            print_json({"published": published})
            return
        if published:
            print(f"{published:,} events published again, from position {position:,} on")
        else:
            print(f"No event is at position {position:,} or later: nothing was published.")

    run(work(), as_json=as_json)
