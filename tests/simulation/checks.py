"""What must be true at the end: of the journal, of the answers, and of every copy.

Nothing here folds with the product's fold: sums and versions are counted from the rows that
PostgreSQL committed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from chronos.domain import commands as c
from chronos.mirror.redis import from_fields
from chronos.wire.balance import Balance, decode_balance
from chronos.wire.booking import AnyAttempt, Attempt, EventRow
from chronos.wire.receipt import Receipt
from tests.simulation.cluster import SHARDS, Cluster
from tests.simulation.tellers import History, commands_of
from tests.simulation.watch import Watch

Numbers = tuple[int, int, int, str]
"""Version, booked, held and hash of an account."""


_MOVES = (c.TransferFunds, c.CaptureHold, c.ReverseTransfer)


def behind(cluster: Cluster, watch: Watch) -> str:
    """Tells which copy is not yet what the journal is; empty when all are."""
    postgres, heads = cluster.postgres, _heads(cluster)
    missing = watch.committed - watch.published
    if missing:
        return f"Kafka lacks {len(missing)} records"
    for shard in range(SHARDS):
        checkpoint = postgres.checkpoints[shard]
        if any(s.shard == shard and not checkpoint.covers(s) for s in postgres.every_row):
            return f"the checkpoint of shard {shard} is behind"
    copies = {
        "the changelog": _changelog(cluster),
        "Redis": {
            balance.account_id: _numbers(balance)
            for balance in map(from_fields, cluster.redis.hashes.values())
        },
        "Elasticsearch": _documents(cluster),
    }
    for name, copy in copies.items():
        if copy != heads:
            wrong = sorted(n for n in heads if copy.get(n) != heads[n])
            return f"{name} differs in {wrong}"
    entries = cluster.search.documents(cluster.names.entries_alias)
    if set(entries) != {row.event_id for row in postgres.tables.every_event()}:
        return "the entries in Elasticsearch are not the events"
    return ""


def wrongs(cluster: Cluster, history: History) -> Iterator[str]:
    """Gives what is wrong with the journal and the answers."""
    yield from _journal(cluster)
    yield from _answers(cluster, history)


def _journal(cluster: Cluster) -> Iterator[str]:
    tables = cluster.postgres.tables
    total: Counter[str] = Counter()
    for name, rows in tables.events.items():
        if [row.version for row in rows] != list(range(1, len(rows) + 1)):
            yield f"{name} has a gap in its versions"
        if [row.position for row in rows] != sorted(row.position for row in rows):
            yield f"{name} goes back in its positions"
        yield from _sums(name, rows)
        for row in rows:
            total[row.currency] += _amount(row)
    yield from (f"{left} {name} came from nowhere" for name, left in total.items() if left)
    for name, legs in tables.legs.items():
        if sum(map(_amount, legs)):
            yield f"the postings of {name} do not sum to zero"


def _sums(name: str, rows: Sequence[EventRow]) -> Iterator[str]:
    booked = held = 0
    for row in rows:
        booked += _amount(row)
        held += _held(row)
        if (booked, held) != (row.booked_after, row.held_after):
            yield f"{name} {row.version} says {row.booked_after}, held {row.held_after}"
            return


def _amount(row: EventRow) -> int:
    return (row.amount or 0) if row.transfer_id else 0


def _held(row: Any) -> int:
    if not row.hold_id:
        return 0
    amount: int = msgspec.json.decode(row.body)["hold_amount"]
    return amount if row.type == "HoldPlaced" else -amount


def _answers(cluster: Cluster, history: History) -> Iterator[str]:
    known: set[str] = set()
    for key, tried in history.attempts.items():
        replies = history.replies.get(key, [])
        if not replies:
            yield f"{key} was never answered"
            continue
        if len({(reply.status, reply.body) for reply in replies}) != 1:
            yield f"{key} was answered in two ways"
        if sum(not reply.replayed for reply in replies) > 1:
            yield f"{key} was answered as new more than once"
        for command, is_granted in _granted(tried, replies[0]):
            if not isinstance(command, _MOVES):
                continue
            known.add(command.transfer_id)
            yield from _moved(cluster, command, is_granted=is_granted)
    invented = sorted(set(cluster.postgres.tables.legs) - known)
    if invented:
        yield f"nobody sent {invented}"


def _moved(cluster: Cluster, command: Any, *, is_granted: bool) -> Iterator[str]:
    legs = cluster.postgres.tables.legs.get(command.transfer_id, [])
    if is_granted is not bool(legs):
        yield f"{command.transfer_id}: granted is {is_granted}, the journal has {len(legs)}"
    elif is_granted and isinstance(command, c.TransferFunds):
        booked = {row.account_id: row.amount for row in legs}
        if booked != {command.source: -command.amount, command.destination: command.amount}:
            yield f"{command.transfer_id} was booked as {booked}"


def _granted(tried: AnyAttempt, receipt: Receipt) -> Iterator[tuple[Any, bool]]:
    commands = commands_of(tried)
    if isinstance(tried, Attempt) or tried.is_atomic:
        yield from ((command, receipt.status < 400) for command in commands)
        return
    results = msgspec.json.decode(receipt.body)["results"]
    for command, result in zip(commands, results, strict=True):
        yield command, result["status"] < 400


def _heads(cluster: Cluster) -> dict[str, Numbers]:
    return {
        name: (
            rows[-1].version,
            rows[-1].booked_after,
            rows[-1].held_after,
            rows[-1].hash.hex(),
        )
        for name, rows in cluster.postgres.tables.events.items()
    }


def _numbers(balance: Balance) -> Numbers:
    return balance.version, balance.booked, balance.held, balance.hash


def _changelog(cluster: Cluster) -> dict[str, Numbers]:
    newest: dict[str, Numbers] = {}
    for (topic, _), log in cluster.kafka.logs.items():
        if topic == cluster.names.balances_changelog:
            for record in log:
                balance = decode_balance(record.value)
                numbers = _numbers(balance)
                newest[balance.account_id] = max(
                    numbers, newest.get(balance.account_id, numbers)
                )
    return newest


def _documents(cluster: Cluster) -> dict[str, Numbers]:
    found = cluster.search.documents(cluster.names.accounts_alias)
    return {
        name: (source["version"], source["booked"], source["held"], source["hash"])
        for name, (_, source) in found.items()
    }
