"""Kafka's way from a key to a partition, written once more.

Source: Apache Kafka, `BuiltInPartitioner` and `Utils.murmur2`; MurmurHash2 by Austin Appleby.
"""

from __future__ import annotations

import struct

_SEED = 0x9747B28C
_M = 0x5BD1E995
_BITS = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Hashes bytes as Kafka does; 32 bits without sign."""
    words, rest = divmod(len(data), 4)
    mixed = _SEED ^ len(data)
    for (word,) in struct.iter_unpack("<I", data[: words * 4]):
        scrambled = word * _M & _BITS
        scrambled ^= scrambled >> 24
        mixed = (mixed * _M & _BITS) ^ (scrambled * _M & _BITS)
    if rest:
        for place, byte in enumerate(data[words * 4 :]):
            mixed ^= byte << (8 * place)
        mixed = mixed * _M & _BITS
    mixed ^= mixed >> 13
    mixed = mixed * _M & _BITS
    return mixed ^ (mixed >> 15)


def partition_for(key: bytes, partitions: int) -> int:
    """Tells where Kafka's default partitioner puts a key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
