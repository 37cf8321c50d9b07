"""What a replay did send, in total, and the producer's own counts, recorded in parts while the replay runs.

A part is a parquet file with a row per batch, in the order in which they were sent, and one for the flush:
what the topics hold, once each.
"""

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from streamweir.arrow import from_parquet, parquet
from streamweir.commits import present
from streamweir.contracts.formats import stored_format
from streamweir.contracts.messages import Kind
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import ObjectKey
from streamweir.contracts.tables import Pipeline
from streamweir.errors import DependencyUnreachable
from streamweir.objectstore import ObjectStore
from streamweir.replay.batches import Label, Row, virtual_ts
from streamweir.replay.deliveries import Delivery, SpanStart
from streamweir.replay.plan import Offsets, Options, offsets_from_json

FORMAT = 1
"""Of the manifests that are written; the first ones of it do not say so."""
PART_BATCHES = 50_000
PART_S = 60.0
"""After so many batches, or so long, what was sent is recorded."""
PLACE = ("batch_index", "sequence", "ts", "kind")
_BEGIN = b"streamweir.begin"
"""In a part's metadata: where its last row's span begins (`SpanStart`)."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Manifest:
    """A run's replay, ended by its flush.

    rows: per topic (short name). facts: sums of the batches' facts. seconds and rows_per_second: of the
    process that sent the flush, with the rows of the first input topic. resumed_at_sequence: where that
    process began, None when it sent everything. offsets: per topic and partition the offset after the
    run's last record. started_at, ended_at: ISO times, UTC. off_schedule_ms: the most that a batch was
    handed to Kafka after the moment it was due; None when nothing was paced. labels: what the dataset
    says that the run should find, each with `kind`, `start` and `end` on the virtual clock.
    """

    run: str
    pipeline: str
    stream: str
    dataset: str
    start_ts: int
    interval_s: int
    batches: int
    first_sequence: int
    flush_sequence: int
    flush_ts: int
    last_ts: int
    rows: Mapping[str, int]
    facts: Mapping[str, int]
    started_at: str
    ended_at: str
    seconds: float
    rows_per_second: float
    resumed_at_sequence: int | None
    offsets: Offsets
    off_schedule_ms: float | None = None
    labels: Sequence[Mapping[str, Any]] = ()
    format: int = FORMAT

    def to_json(self) -> dict[str, Any]:
        """The manifest as JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Manifest":
        """The manifest from `to_json`, also after its keys became strings.

        Raises BadConfiguration for a format that is not known.
        """
        stored_format(value, FORMAT, f"the manifest of run {value.get('run')}", "start a new run")
        return cls(**{**value, "offsets": offsets_from_json(value["offsets"]), "format": FORMAT})


def on_the_clock(labels: Sequence[Label], start_ts: int) -> list[dict[str, Any]]:
    """A recording's labels as a run's manifest holds them, in Unix seconds of its virtual clock."""
    return [
        {
            "kind": label.kind,
            "start": virtual_ts(start_ts, label.start),
            "end": virtual_ts(start_ts, label.end),
        }
        for label in labels
    ]


Facts = Callable[[Mapping[str, Sequence[Row]], Options], Mapping[str, int]]
"""What a pipeline counts in the rows of a batch, per topic (short name), e.g. success_payments."""
Counts = tuple[Any, ...]
"""What is counted of a delivery, by the names of a `Counting`."""

sequence_of = itemgetter(PLACE.index("sequence"))
leading_rows_of = itemgetter(len(PLACE))


class Counting:
    """How deliveries are counted. names: PLACE, then <topic>_rows per input topic, then every fact."""

    def __init__(self, pipeline: Pipeline, facts: Facts, options: Options) -> None:
        self.topics = {topic.name: f"{topic.name}_rows" for topic in pipeline.inputs}
        self._count, self._options = facts, options
        self.facts = list(facts(dict.fromkeys(self.topics, ()), options))
        self.names = (*PLACE, *self.topics.values(), *self.facts)

    def of(self, delivery: Delivery) -> Counts:
        """Count a delivery."""
        rows, facts = delivery.rows, self._count(delivery.rows, self._options)
        place = (delivery.batch, delivery.sequence, delivery.ts, delivery.kind.value)
        counts = map(len, map(rows.__getitem__, self.topics))
        return (*place, *counts, *map(facts.__getitem__, self.facts))

    @property
    def schema(self) -> pa.Schema:
        """The columns of a part."""
        return pa.schema([(name, pa.string() if name == "kind" else pa.int64()) for name in self.names])


class Produced:
    """What the topics hold of a run, by its producer's own count.

    Made for a run that is resumed, it goes on after the parts that are there. next_sequence: the first that
    was not counted. begin: the span of the last batch that was; None before the first. batches, last_ts: how
    many batches were recorded, and the largest ts of one. flush: its sequence and ts.
    """

    def __init__(self, run: Run, store: ObjectStore, counting: Counting, first_sequence: int) -> None:
        self._run, self._store, self._counting = run, store, counting
        self._waiting: list[Counts] = []
        self._sums: Counter[str] = Counter()
        self._recorded_at = time.monotonic()
        self.next_sequence, self.begin = first_sequence, None
        self.batches, self.last_ts, self.flush = 0, 0, (-1, 0)
        for part in parts(run, store):
            self._sum_up(part)
            self.begin = SpanStart(*json.loads(part.schema.metadata[_BEGIN]))
            self.next_sequence = part["sequence"][-1].as_py() + 1

    @property
    def rows(self) -> dict[str, int]:
        """Rows of what was recorded, per topic."""
        return {topic: self._sums[name] for topic, name in self._counting.topics.items()}

    @property
    def facts(self) -> dict[str, int]:
        """Every fact of what was recorded, in total."""
        return {fact: self._sums[fact] for fact in self._counting.facts}

    def add(self, counts: Counts, span: int) -> None:
        """Count the next delivery that the topics hold."""
        if self.begin is None or span != self.begin.span:
            self.begin = SpanStart(span, counts[0], sequence_of(counts))
        self._waiting.append(counts)
        self.next_sequence = sequence_of(counts) + 1
        if len(self._waiting) >= PART_BATCHES or time.monotonic() - self._recorded_at > PART_S:
            self._try_to_record()

    def record(self) -> None:
        """Write what was counted and not recorded yet; nothing when there is nothing.

        A replay that was overtaken may write the same in parts of its own: what is there is left out.
        """
        while self._waiting:
            first = sequence_of(self._waiting[0])
            part = self._part(self._waiting)
            if self._store.put_if_absent(self._run.produced_part(first), parquet(part)) is not None:
                self._sum_up(part)
                self._waiting = []
                break
            there = _read(self._store, self._run.produced_part(first))
            self._sum_up(there)
            held = there["sequence"][-1].as_py()
            self._waiting = [counts for counts in self._waiting if sequence_of(counts) > held]
        self._recorded_at = time.monotonic()

    def _try_to_record(self) -> None:
        try:
            self.record()
        except DependencyUnreachable as error:
            # Kafka takes the messages all the same; a resumed replay counts again what is not recorded.
            self._recorded_at = time.monotonic()
            _LOG.warning("what was sent is recorded later: %s", error)

    def _part(self, rows: list[Counts]) -> pa.Table:
        columns = [pa.array(column) for column in zip(*rows, strict=True)]
        begin = {_BEGIN: json.dumps(self.begin)}
        return pa.Table.from_arrays(columns, schema=self._counting.schema.with_metadata(begin))

    def _sum_up(self, part: pa.Table) -> None:
        for name in self._counting.names[len(PLACE) :]:
            self._sums[name] += pc.sum(part[name]).as_py()
        is_batch = pc.equal(part["kind"], Kind.BATCH.value)
        batches = part.filter(is_batch)
        self.batches += batches.num_rows
        self.last_ts = max(self.last_ts, pc.max(batches["ts"]).as_py() or 0)
        for line in part.filter(pc.invert(is_batch)).to_pylist():
            self.flush = line["sequence"], line["ts"]


def parts(run: Run, store: ObjectStore) -> Iterator[pa.Table]:
    """The parts of a run's counts, in order."""
    for key in store.list(run.produced):
        yield _read(store, key)


def _read(store: ObjectStore, key: ObjectKey) -> pa.Table:
    return from_parquet(present(store, key))
