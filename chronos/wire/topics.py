"""Names of topics, keys and aliases, and the way from an account to its partition and shard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_ACCOUNTS_CACHED_MAX = 131_072
_FOR_EVER: Final = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
_A_WEEK: Final = {"cleanup.policy": "delete", "retention.ms": "604800000"}
_NEWEST_OF_EACH_KEY: Final = {"cleanup.policy": "compact"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """What a topic of ours is, in every namespace."""

    name: str
    configs: Mapping[str, str]
    """Settings of the topic in Kafka that are not the broker's defaults."""
    is_by_account: bool
    """True: as many partitions as the events topic. False: one for each shard of the outbox."""


@dataclass(frozen=True, slots=True)
class Names:
    """Derives every outside name from the namespace: two instances can share servers."""

    namespace: str

    @property
    def events(self) -> str:
        """Topic of all events, keyed by account, kept for ever."""
        return f"{self.namespace}.events.v1"

    @property
    def rejections(self) -> str:
        """Topic of refused commands, keyed by account."""
        return f"{self.namespace}.rejections.v1"

    @property
    def dead_letters(self) -> str:
        """Topic of records that were found in a topic of ours and are not ours."""
        return f"{self.namespace}.dead-letters.v1"

    @property
    def relay_control(self) -> str:
        """Topic with one partition per outbox shard: who owns it, and commands to the owner."""
        return f"{self.namespace}.relay-control.v1"

    @property
    def balances_changelog(self) -> str:
        """Compacted topic with the newest value of each row of the table `balances`."""
        return f"{self.namespace}-balances-balances-changelog"

    @property
    def topics(self) -> tuple[Topic, ...]:
        """Every topic of the namespace.

        Events, rejections and dead letters are kept for ever: a log keyed by account is never
        compacted. Only the table's changelog is, because its newest value says everything.
        """
        by_account = (
            (self.events, _FOR_EVER),
            (self.rejections, _FOR_EVER),
            (self.dead_letters, _FOR_EVER),
            (self.balances_changelog, _NEWEST_OF_EACH_KEY),
        )
        return (
            *(Topic(name=n, configs=configs, is_by_account=True) for n, configs in by_account),
            Topic(name=self.relay_control, configs=_A_WEEK, is_by_account=False),
        )

    @property
    def accounts_alias(self) -> str:
        """Elasticsearch alias of the accounts."""
        return f"{self.namespace}-accounts"

    @property
    def entries_alias(self) -> str:
        """Elasticsearch alias of the entries, one document per event."""
        return f"{self.namespace}-entries"

    def app_id(self, role: str) -> str:
        """Faust app id, which is the consumer group, of "relay", "balances" or "mirror"."""
        return f"{self.namespace}-{role}"

    def balance_key(self, account_id: str, generation: str = "") -> str:
        """Redis key of an account's hash; a rebuild has generations beside the current one."""
        return f"{self.namespace}:balance{generation}:{account_id}"

    @property
    def rebuild_key(self) -> str:
        """Redis key that is there while a rebuild of the balances takes over."""
        return f"{self.namespace}:rebuild"


@lru_cache(maxsize=_ACCOUNTS_CACHED_MAX)
def partition_of(key: bytes, partitions: int) -> int:
    """Tells the partition of a record key as Kafka's default partitioner does.

    Source: Apache Kafka, `BuiltInPartitioner`: murmur2, sign bit cleared, modulo.
    """
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def shard_of(partition: int, shards: int) -> int:
    """Tells the outbox shard that owns a whole Kafka partition."""
    return partition % shards


def murmur2(data: bytes) -> int:
    """Hashes bytes to 32 bits without sign.

    Source: Apache Kafka, `Utils.murmur2` (seed 0x9747b28c, 4 bytes a step, little-endian).
    """
    length = len(data)
    mask = 0xFFFFFFFF
    factor = 0x5BD1E995
    h = 0x9747B28C ^ length
    tail = length & ~3
    for offset in range(0, tail, 4):
        k = int.from_bytes(data[offset : offset + 4], "little") * factor & mask
        k = (k ^ (k >> 24)) * factor & mask
        h = (h * factor & mask) ^ k
    if length > tail:
        h = (h ^ int.from_bytes(data[tail:], "little")) * factor & mask
    h = (h ^ (h >> 13)) * factor & mask
    return h ^ (h >> 15)
