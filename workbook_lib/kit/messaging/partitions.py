"""Which partition a key goes to: as every Kafka client does it."""

import random
from collections.abc import Sequence
from functools import lru_cache

from aiokafka.partitioner import murmur2

__all__ = ["partition_of", "place_of"]


def partition_of(key: bytes | None, partitions: Sequence[int], available: Sequence[int]) -> int:
    """The partition of a key, of all `partitions` in order; without a key, any that is available.

    It is that of the Java client (murmur2), and of aiokafka, whose hash in Python takes a third of a send.
    Keys come again, so hashes are remembered.
    """
    if key is None:
        return random.choice(available or partitions)  # noqa: S311 - spreads load, guards nothing
    return partitions[place_of(key, len(partitions))]


def place_of(key: bytes, count: int) -> int:
    """The partition of a key among `count`, which Kafka numbers from 0."""
    return _hash(key) % count


@lru_cache(maxsize=8192)
def _hash(key: bytes) -> int:
    return int(murmur2(key)) & 0x7FFFFFFF
