"""Judges the flow: what waits in the outbox, which read model is behind, who is stuck."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from chronos.store.pipeline_state import PipelineState, ShardState
from chronos.watch.doctor.findings import Code, Finding, error, ok, warning
from chronos.watch.stages import ACCOUNTS, BALANCES, ENTRIES, REDIS, RELAY, StageLag

LAG_EVENTS_MAX: Final = 10_000
LAG_S_MAX: Final = 10.0
LAG_S_ERROR: Final = 60.0
STILL_S_MAX: Final = 5.0
"""A relay publishes within milliseconds; a row of this age that does not move is stuck."""
_WHAT: Final = {
    BALANCES: "the balances table",
    REDIS: "the copy of balances in Redis",
    ENTRIES: "the history in Elasticsearch",
    ACCOUNTS: "the index of accounts in Elasticsearch",
}
_WHO: Final = {
    BALANCES: "balances worker",
    REDIS: "balances worker",
    ENTRIES: "mirror",
    ACCOUNTS: "mirror",
}


def judge_stages(stages: Iterable[StageLag]) -> Iterator[Finding]:
    """Judges how far each stage is behind the journal."""
    for stage in stages:
        yield _outbox(stage) if stage.stage == RELAY else _read_model(stage)


def judge_relay(
    before: PipelineState, after: PipelineState, *, held: frozenset[int], now: datetime
) -> Iterator[Finding]:
    """Judges by two looks at the outbox whether each shard gets on.

    Args:
        before: The first look.
        after: The second, a second or two later.
        held: The shards that some relay holds.
        now: PostgreSQL's time of the second look.
    """
    for was, shard in zip(before.shards, after.shards, strict=True):
        about = f"shard {shard.shard}"
        if shard.shard not in held:
            yield error(
                Code.RELAY,
                about,
                f"no relay holds shard {shard.shard} of the outbox, where "
                f"{shard.unpublished:,} rows wait: nothing of it reaches Kafka",
                "Start `chronos worker relay`; if one runs, see in its log why it does not "
                "take the shard.",
            )
        elif _is_still(was, shard, now):
            yield error(
                Code.RELAY,
                about,
                f"the relay holds shard {shard.shard} and does not get on: "
                f"{shard.unpublished:,} rows wait, the oldest for {_age_s(shard, now):.1f} s",
                "See whether Kafka answers and its disk has room; then see the relay's log, "
                "and restart it.",
            )
        else:
            yield ok(
                Code.RELAY,
                about,
                f"a relay holds shard {shard.shard} in epoch {shard.epoch}, where "
                f"{shard.unpublished:,} rows wait",
            )


def judge_dead_letters(topic: str, records: int | None) -> Finding:
    """Judges how many records were set aside; None where their topic does not exist."""
    if records:
        return warning(
            Code.DEAD_LETTERS,
            topic,
            f"{records:,} records in {topic} were found in our topics and are not ours",
            "Read them with `chronos dead-letters list`; find out who writes to our topics.",
        )
    said = f"{topic} is empty" if records == 0 else f"{topic} does not exist yet"
    return ok(Code.DEAD_LETTERS, topic, said)


def _outbox(stage: StageLag) -> Finding:
    if stage.status != "ok":
        return _unknown(Code.OUTBOX_AGE, "outbox", stage)
    seconds, rows = stage.seconds or 0.0, stage.events or 0
    said = f"{rows:,} rows of the outbox wait for Kafka, the oldest for {seconds:.1f} s"
    if seconds <= LAG_S_MAX:
        return ok(Code.OUTBOX_AGE, "outbox", said)
    judged = error if seconds > LAG_S_ERROR else warning
    return judged(
        Code.OUTBOX_AGE,
        "outbox",
        f"{said}: every read model shows that much less than the journal has",
        "See the finding on the relay and on Kafka; `chronos top` shows whether it shrinks.",
    )


def _read_model(stage: StageLag) -> Finding:
    what = _WHAT[stage.stage]
    if stage.status != "ok":
        return _unknown(Code.LAG, stage.stage, stage)
    events = stage.events or 0
    if not events:
        return ok(Code.LAG, stage.stage, f"{what} has every event")
    aged = (
        "of unknown age" if stage.seconds is None else f"the oldest {stage.seconds:.1f} s old"
    )
    said = f"{what} is behind by {events:,} events, {aged}"
    seconds = stage.seconds or 0.0
    if events <= LAG_EVENTS_MAX and seconds <= LAG_S_MAX:
        return ok(Code.LAG, stage.stage, said)
    judged = error if seconds > LAG_S_ERROR else warning
    return judged(
        Code.LAG,
        stage.stage,
        said,
        f"See whether a {_WHO[stage.stage]} runs and what it waits for; `chronos top` shows "
        "whether the lag shrinks. Nothing is lost: it goes on where it was.",
    )


def _unknown(code: Code, about: str, stage: StageLag) -> Finding:
    return warning(
        code,
        about,
        f"how far {about} is behind is not known: {stage.detail or stage.status}",
        "See the findings on the servers and processes that it is read from.",
    )


def _is_still(was: ShardState, shard: ShardState, now: datetime) -> bool:
    return (
        shard.unpublished > 0
        and was.oldest_recorded_at == shard.oldest_recorded_at
        and _age_s(shard, now) > STILL_S_MAX
    )


def _age_s(shard: ShardState, now: datetime) -> float:
    if shard.oldest_recorded_at is None:
        return 0.0
    return (now - shard.oldest_recorded_at).total_seconds()
