"""Keys that put every shard into a partition of its own.

Spark sends a key to partition `pmod(hash(key), partitions)`, so that the keys 0, 1, 2, 3 would share
partitions and leave others idle.
"""

from pyspark.sql import SparkSession

_TRIED = 64
"""Keys for each shard: that none of them falls to it is out of the question."""


def shard_keys(spark: SparkSession, shards: int) -> list[int]:
    """For each shard the smallest key (a long) that lands in the partition of the shard's own number."""
    places = spark.range(0, _TRIED * shards, 1, 1).selectExpr("id", f"pmod(hash(id), {shards}) AS shard")
    found: dict[int, int] = {}
    for key, shard in places.collect():
        found.setdefault(shard, key)
    return [found[shard] for shard in range(shards)]
