"""`chronos topics`: makes what is missing, checks what is there."""

from __future__ import annotations

import asyncio
import json

import click

from chronos.settings import Settings


@click.command(name="topics")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(as_json: bool) -> None:  # noqa: FBT001 - click passes flags by name
    """Create the missing topics and check the partitions of the others.

    Exit code 78 if a topic has another count of partitions than the settings say.
    """
    from chronos.stream.topics import ensure_topics

    states = asyncio.run(ensure_topics(Settings.from_environment()))
    if as_json:
        click.echo(
            json.dumps(
                [
                    {"topic": s.name, "partitions": s.partitions, "created": s.created}
                    for s in states
                ]
            )
        )
        return
    width = max(len(state.name) for state in states)
    for state in states:
        what = "created" if state.created else "present"
        click.echo(f"{state.name:<{width}}  {state.partitions:>4} partitions  {what}")
