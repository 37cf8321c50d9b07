"""How a scorer keeps up: how far behind it is, and how soon its output is there."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow.compute as pc

from streamweir import commits
from streamweir.arrow import from_parquet
from streamweir.broker.records import topic_end
from streamweir.commits import READERS, Commit
from streamweir.connections import KafkaConnection
from streamweir.contracts.pipelines import pipeline
from streamweir.contracts.rejected import WORKED
from streamweir.contracts.streams import Stream
from streamweir.objectstore import ObjectStore
from streamweir.scorer.status import Status

NEWEST = 5
"""Of so many micro-batches the latency is told."""


@dataclass(frozen=True)
class Latency:
    """Of the messages of the leading input in the newest micro-batches: seconds from the append in Kafka to
    the commit of the output, half and 95 % of them within; and when the newest was appended, Unix ms."""

    p50: float
    p95: float
    newest_ms: int


@dataclass(frozen=True)
class Newest:
    """The newest message of a stream's leading input. ts: Unix seconds of the virtual clock."""

    sequence: int
    ts: int
    appended_ms: int


@dataclass(frozen=True)
class Lag:
    """How far a scorer is behind. messages: of the leading input, sent and not worked on yet.

    seconds: between the appends of the newest message and of the newest one that was worked on; None where
    none is known.
    """

    messages: int
    seconds: float | None


def latency(objects: ObjectStore, stage: Stream, status: Status) -> Latency | None:
    """The latency of the newest micro-batches; None where they worked on no message of the leading input."""
    if status.batch_id is None:
        return None
    ids = range(status.batch_id, max(status.batch_id - NEWEST, -1), -1)
    with ThreadPoolExecutor(READERS) as pool:
        found = list(pool.map(partial(_worked, objects, stage), ids))
    appended = np.concatenate([one[0] for one in found])
    if not len(appended):
        return None
    p50, p95 = np.quantile(np.concatenate([one[1] for one in found]), [0.5, 0.95])
    return Latency(float(p50), float(p95), int(appended.max()) // 1000)


def newest_message(kafka: KafkaConnection, stream: Stream) -> Newest | None:
    """The message that was sent last; None in an empty stream. Errors as in `broker.records.topic_end`."""
    ends = topic_end(kafka, pipeline(stream.pipeline).leading.topic.of(stream)).last.values()
    sent = [(record.headers, record.appended_ms) for record in ends if record.headers]
    if not sent:
        return None
    last, appended_ms = max(sent, key=lambda one: one[0].sequence)
    return Newest(last.sequence, last.ts, appended_ms)


def lag(newest: Newest | None, status: Status, known: Latency | None) -> Lag:
    """How far a stage is behind what was sent."""
    messages = max(newest.sequence + 1 - status.next_sequence, 0) if newest else 0
    if not newest or not messages:
        return Lag(0, 0.0)
    return Lag(messages, None if known is None else max(newest.appended_ms - known.newest_ms, 0) / 1000)


def _worked(
    objects: ObjectStore, stage: Stream, batch_id: int
) -> tuple[Sequence[int] | np.ndarray, Sequence[float] | np.ndarray]:
    """Of a micro-batch's messages of the leading input: when each was appended, Unix microseconds, and the
    seconds to the commit. None of one that was put together with others."""
    nothing = np.array([], np.int64), np.array([], np.float64)
    commit: Commit | None = commits.read(objects, stage, batch_id)
    data = objects.get(stage.table_file(WORKED.name, batch_id)) if commit else None
    if commit is None or data is None:
        return nothing
    table = from_parquet(data)
    leading = pc.equal(table["topic"], pipeline(stage.pipeline).leading.topic.name)
    appended = table.filter(leading)["appended_at"].cast("int64").to_numpy()
    return appended, (commit.committed_at - appended) / 1e6
