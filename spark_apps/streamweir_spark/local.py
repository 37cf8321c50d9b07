"""A stream in one process, without Kafka and Spark: what training and tests run the core with."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import orjson

from streamweir.contracts.messages import Headers, Kind, partition_of
from streamweir.contracts.tables import Input
from streamweir_spark.core import Domain, Output, Part, Reader, Received
from streamweir_spark.decode import decode
from streamweir_spark.shard import Shard

_BATCHES_AT_ONCE = 500


class LocalBatch(NamedTuple):
    """A batch of a replay: its ts, and by topic its rows as a message holds them, but without ts."""

    ts: int
    rows: Mapping[str, list[dict[str, str]]]


def outputs(batches: Iterable[LocalBatch], reader: Reader, domain: Domain) -> Iterator[Output]:
    """What a scorer puts out for these batches, sent in this order from a stream's start.

    Features of history come out of the same code, and as late as in the stream they are to serve.
    """
    shard = Shard(domain)
    parts: list[Part] = []
    for sequence, batch in enumerate(batches):
        parts += decode(messages(sequence, batch, domain.reads), 1, reader)
        if sequence % _BATCHES_AT_ONCE == _BATCHES_AT_ONCE - 1:
            yield from shard.work(parts)
            shard.dump()
            parts = []
    yield from shard.work(parts)


def messages(sequence: int, batch: LocalBatch, reads: Iterable[Input]) -> Iterator[Received]:
    """The messages of a batch, one a topic, as the replay would send them."""
    for topic in (read.topic for read in reads):
        rows = [row | {"ts": batch.ts} for row in batch.rows.get(topic.name, [])]
        headers = Headers("local", sequence, sequence, batch.ts, Kind.BATCH, len(rows))
        place = partition_of(sequence, topic.partitions)
        yield Received(
            topic.name, place, sequence // topic.partitions, 0, headers.encode(), orjson.dumps(rows)
        )
