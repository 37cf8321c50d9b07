"""The tables' own counts, and the run's part of each table."""

from collections import Counter
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from streamweir.contracts.rejected import REJECTED, Reason
from streamweir.contracts.streams import Run
from streamweir.contracts.tables import OutputTopic, Pipeline, Table
from streamweir.contracts.worked import WORKED
from streamweir.ledger.arrow import schema_of
from streamweir.ledger.broker import Extent
from streamweir.ledger.committed import Commit, read_table
from streamweir.ledger.counts import Cell, Kept
from streamweir.objectstore import ObjectStore


def read_results(
    run: Run, pipeline: Pipeline, commits: Sequence[Commit], extent: Extent, store: ObjectStore
) -> dict[str, pa.Table]:
    """The run's rows of every table and of `worked`, with the columns that the stream keeps beside the
    contract's."""
    frames = {}
    for table in (*pipeline.tables, WORKED):
        frame = read_table(run.stream, table.name, commits, store)
        frames[table.name] = _empty(table) if frame is None else _of_run(run, table, frame, extent)
    return frames


def count_kept(pipeline: Pipeline, commits: Sequence[Commit], frames: Mapping[str, pa.Table]) -> Kept:
    """The counts of the run's tables."""
    rejected, foreign = _rejected(frames[REJECTED.name])
    return Kept(
        worked=_counted(pipeline, frames[WORKED.name]) + _scored(pipeline, frames),
        rejected=rejected,
        foreign=foreign,
        examples=_examples(frames[REJECTED.name]),
        table_rows={topic.name: _to_repeat(topic, frames[topic.table.name]) for topic in pipeline.outputs},
        dropped_by_watermark=sum(commit.dropped_by_watermark for commit in commits),
    )


def _of_run(run: Run, table: Table, frame: pa.Table, extent: Extent) -> pa.Table:
    if table != REJECTED:
        return frame.filter(pc.field("run") == run.id)
    foreign = frame.filter(pc.field("reason") == Reason.FOREIGN.value)
    places = zip(*(foreign[name].to_pylist() for name in ("topic", "partition", "offset")), strict=True)
    ours = pa.array([place in extent for place in places], pa.bool_())
    own = frame.filter((pc.field("run") == run.id) & (pc.field("reason") != Reason.FOREIGN.value))
    return pa.concat_tables([own, foreign.filter(ours)])


def _empty(table: Table) -> pa.Table:
    return schema_of(table).append(pa.field("batch_id", pa.int64())).empty_table()


def _counted(pipeline: Pipeline, worked: pa.Table) -> Counter[Cell]:
    counts: Counter[Cell] = Counter()
    topics = {topic.name for topic in pipeline.counted}
    columns = (worked[name].to_pylist() for name in ("topic", "batch_index", "rows"))
    for topic, batch_index, rows in zip(*columns, strict=True):
        if topic in topics:
            counts[topic, batch_index] += rows
    return counts


def _to_repeat(topic: OutputTopic, frame: pa.Table) -> int:
    return frame.num_rows if topic.where is None else frame.filter(pc.field(topic.where)).num_rows


def _scored(pipeline: Pipeline, frames: Mapping[str, pa.Table]) -> Counter[Cell]:
    if pipeline.scored_table is None:
        return Counter()
    batches = Counter(frames[pipeline.scored_table].column("batch_index").to_pylist())
    return Counter({(pipeline.scored.name, index): rows for index, rows in batches.items()})


def _rejected(frame: pa.Table) -> tuple[Counter[tuple[str, int, str]], int]:
    counts: Counter[tuple[str, int, str]] = Counter()
    foreign = 0
    columns = (frame[name].to_pylist() for name in ("topic", "batch_index", "reason", "rows"))
    for topic, batch_index, reason, rows in zip(*columns, strict=True):
        if reason == Reason.FOREIGN:
            foreign += 1
        else:
            counts[topic, batch_index, reason] += rows
    return counts, foreign


def _examples(frame: pa.Table) -> dict[tuple[str, str], str]:
    # One thread: only then the first is the first.
    found = frame.group_by(["topic", "reason"], use_threads=False).aggregate([("detail", "first")])
    columns = (found[name].to_pylist() for name in ("topic", "reason", "detail_first"))
    return {(topic, reason): detail for topic, reason, detail in zip(*columns, strict=True)}
