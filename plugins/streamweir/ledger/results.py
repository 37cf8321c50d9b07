"""The tables' own counts, and the run's part of each table."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamweir.contracts.rejected import REJECTED, Reason
from streamweir.contracts.streams import Run
from streamweir.contracts.tables import OutputTopic, Pipeline, Table
from streamweir.contracts.worked import WORKED
from streamweir.ledger.arrow import schema_of
from streamweir.ledger.broker import Extent
from streamweir.ledger.committed import Commit, read_table
from streamweir.ledger.counts import Kept, Tally, tallies
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
    foreign = pc.field("reason") == Reason.FOREIGN.value
    rejected = frames[REJECTED.name]
    return Kept(
        worked=_worked(pipeline, frames),
        rejected=_tallies(rejected.filter(~foreign)),
        foreign=rejected.filter(foreign).num_rows,
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


def _to_repeat(topic: OutputTopic, frame: pa.Table) -> int:
    return frame.num_rows if topic.where is None else frame.filter(pc.field(topic.where)).num_rows


def _worked(pipeline: Pipeline, frames: Mapping[str, pa.Table]) -> defaultdict[str, Tally]:
    found = tallies()
    for topic in pipeline.counted:
        rows = frames[WORKED.name].filter(pc.field("topic") == topic.name)
        found[topic.name].extend(rows["batch_index"], rows["rows"])
    if pipeline.scored_table is not None:
        batches = frames[pipeline.scored_table]["batch_index"]
        found[pipeline.scored.name].extend(batches, pa.chunked_array([np.ones(len(batches), np.int64)]))
    return found


def _tallies(rejected: pa.Table) -> dict[tuple[str, str], Tally]:
    found: dict[tuple[str, str], Tally] = {}
    for cell in rejected.group_by(["topic", "reason"]).aggregate([]).to_pylist():
        topic, reason = cell["topic"], cell["reason"]
        rows = rejected.filter((pc.field("topic") == topic) & (pc.field("reason") == reason))
        found[topic, reason] = Tally()
        found[topic, reason].extend(rows["batch_index"], rows["rows"])
    return found


def _examples(frame: pa.Table) -> dict[tuple[str, str], str]:
    # One thread: only then the first is the first.
    found = frame.group_by(["topic", "reason"], use_threads=False).aggregate([("detail", "first")])
    columns = (found[name].to_pylist() for name in ("topic", "reason", "detail_first"))
    return {(topic, reason): detail for topic, reason, detail in zip(*columns, strict=True)}
