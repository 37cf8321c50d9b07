"""The producer's own counts: a row per batch and one for the flush, in the order in which they were sent."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from streamweir.contracts.messages import Kind
from streamweir.contracts.tables import Pipeline
from streamweir.replay.batches import Row
from streamweir.replay.deliveries import Delivery
from streamweir.replay.plan import Options

Facts = Callable[[Mapping[str, Sequence[Row]], Options], Mapping[str, int]]
"""What a pipeline counts in the rows of a batch, per topic (short name), e.g. success_payments."""


class Produced:
    """Counts by batch. Columns: batch_index, sequence, ts, kind, <topic>_rows per input topic, every fact."""

    def __init__(self, pipeline: Pipeline, facts: Facts, options: Options) -> None:
        self._topics = {topic.name: f"{topic.name}_rows" for topic in pipeline.inputs}
        self._count, self._options = facts, options
        self._facts = list(facts(dict.fromkeys(self._topics, ()), options))
        self._columns: dict[str, list[Any]] = {name: [] for name in ("batch_index", "sequence", "ts", "kind")}
        self._columns.update({name: [] for name in self._topics.values()})
        self._columns.update({fact: [] for fact in self._facts})

    def add(self, delivery: Delivery) -> None:
        """Count a delivery."""
        columns = self._columns
        columns["batch_index"].append(delivery.batch)
        columns["sequence"].append(delivery.sequence)
        columns["ts"].append(delivery.ts)
        columns["kind"].append(delivery.kind.value)
        for topic, name in self._topics.items():
            columns[name].append(len(delivery.rows[topic]))
        for fact, count in self._count(delivery.rows, self._options).items():
            columns[fact].append(count)

    def take(self, other: "Produced") -> None:
        """Take over what was counted elsewhere."""
        self._columns = other._columns

    @property
    def rows(self) -> dict[str, int]:
        """Rows in total, per topic."""
        return {topic: sum(self._columns[name]) for topic, name in self._topics.items()}

    @property
    def facts(self) -> dict[str, int]:
        """Every fact in total."""
        return {fact: sum(self._columns[fact]) for fact in self._facts}

    @property
    def batches(self) -> int:
        """How many batches were counted."""
        return self._columns["kind"].count(str(Kind.BATCH))

    @property
    def last_ts(self) -> int:
        """The largest ts of a batch; the flush, which is counted last, lies behind it."""
        return max(self._columns["ts"][:-1])

    @property
    def flush(self) -> tuple[int, int]:
        """Sequence and ts of the flush."""
        return self._columns["sequence"][-1], self._columns["ts"][-1]

    def to_parquet(self) -> bytes:
        """The counts as a parquet file."""
        types = {name: pa.string() if name == "kind" else pa.int64() for name in self._columns}
        file = io.BytesIO()
        pq.write_table(pa.table(self._columns, pa.schema(types.items())), file)
        return file.getvalue()
