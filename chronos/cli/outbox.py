"""`chronos outbox status`: what waits for Kafka."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from chronos.cli.instance import Instance, find_instance
from chronos.cli.show import instance_options, print_fields, print_json, print_table, run
from chronos.clock import SystemClock
from chronos.store.pipeline_state import PipelineState, read_pipeline_state
from chronos.store.pool import Pool


@click.group(name="outbox")
def command() -> None:
    """Show what waits for Kafka."""


@command.command()
@instance_options
def status(data: Path | None, *, as_json: bool) -> None:
    """Show for each shard how many rows wait, since when, and its owner's epoch."""
    instance = find_instance(data)

    async def work() -> None:
        state = await _read(instance)
        if as_json:
            print_json(_plain(state))
            return
        print_fields(
            [
                ("journal position", state.position),
                ("newest event", state.recorded_at or "none"),
            ]
        )
        rows = [
            (s.shard, s.epoch, s.unpublished, _age(s.oldest_recorded_at)) for s in state.shards
        ]
        print_table(("shard", "epoch", "waiting", "oldest"), rows)

    run(work(), as_json=as_json)


async def _read(instance: Instance) -> PipelineState:
    pool = await Pool.open(
        instance.postgres_dsn, application_name="chronos-cli", connections_max=1
    )
    try:
        return await read_pipeline_state(pool, instance.relay_shards)
    finally:
        await pool.close()


def _plain(state: PipelineState) -> dict[str, object]:
    return {
        "position": state.position,
        "recorded_at": state.recorded_at,
        "shards": [
            {
                "shard": shard.shard,
                "epoch": shard.epoch,
                "unpublished": shard.unpublished,
                "oldest_recorded_at": shard.oldest_recorded_at,
            }
            for shard in state.shards
        ],
    }


def _age(moment: datetime | None) -> str:
    if moment is None:
        return "-"
    return f"{max(0.0, (SystemClock().now() - moment).total_seconds()):.1f} s"
