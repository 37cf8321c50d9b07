"""Keys that put every shard into a partition of its own.

Spark sends a key to partition `hash(key) mod partitions`, so that the keys 0, 1, 2, 3 would share partitions
and leave others idle. The hash is Murmur3 (x86, 32 bit, seed 42), as in Spark's `hash` function.
"""

from itertools import count

_SEED = 42
_BYTES = 8
_MASK = 0xFFFFFFFF


def shard_keys(shards: int) -> list[int]:
    """For each shard the smallest key (a long) that lands in the partition of the shard's own number."""
    keys: dict[int, int] = {}
    for key in count():
        keys.setdefault(_signed(_murmur3(key)) % shards, key)
        if len(keys) == shards:
            return [keys[shard] for shard in range(shards)]
    raise AssertionError


def _murmur3(value: int) -> int:
    found = _SEED
    for word in (value & _MASK, value >> 32):
        mixed = _rotate(word * 0xCC9E2D51 & _MASK, 15) * 0x1B873593 & _MASK
        found = _rotate(found ^ mixed, 13) * 5 + 0xE6546B64 & _MASK
    found ^= _BYTES
    found = (found ^ found >> 16) * 0x85EBCA6B & _MASK
    found = (found ^ found >> 13) * 0xC2B2AE35 & _MASK
    return found ^ found >> 16


def _rotate(value: int, bits: int) -> int:
    return (value << bits | value >> 32 - bits) & _MASK


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value
