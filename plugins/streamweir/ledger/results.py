"""The tables' own counts, and the run's part of each table."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import dataset

from streamweir.arrow import schema_of
from streamweir.commits import Commit
from streamweir.contracts.rejected import REJECTED, WORKED, Reason
from streamweir.contracts.runs import Run
from streamweir.contracts.tables import OutputTopic, Pipeline, Role, Table
from streamweir.errors import RunFailed
from streamweir.ledger.broker import Extent
from streamweir.ledger.committed import (
    Commits,
    Entries,
    fetch_table,
    once_again,
    read_commits,
    read_entries,
    scan,
)
from streamweir.ledger.counts import Kept, Tally, tallies
from streamweir.objectstore import ObjectStore

Frames = Mapping[str, dataset.Dataset]
"""Rows by the name of their table."""

_IS_FOREIGN = pc.field("reason") == Reason.FOREIGN.value


@dataclass(frozen=True)
class Results:
    """What a stream's scorer left of a run.

    entries: where it lies. commits: of the micro-batches that can hold something of the run. frames: the
    run's rows of every table and of `worked`, with the columns that the stream keeps beside the contract's.
    """

    entries: Entries
    commits: Commits
    frames: Frames


@once_again
def read_results(
    run: Run, pipeline: Pipeline, first_sequence: int, extent: Extent, store: ObjectStore, folder: Path
) -> Results:
    """What the scorer left of a run, whose first sequence is given.

    Rows are copied into a folder, and read from there whenever they are asked for. Raises RunFailed when
    nothing was committed since the run began.
    """
    entries = read_entries(run.stream, store, first_sequence)
    commits = read_commits(run.stream, store, entries, first_sequence)
    if not commits.found:
        raise RunFailed(f"the scorer of stream {run.stream} committed nothing of run {run.id!r}: see its log")
    # A segment may begin before the run.
    within = pc.field("batch_id") >= commits.found[0].batch_id
    frames = {}
    for table in (*pipeline.tables, WORKED):
        rows = fetch_table(run.stream, table.name, entries.found, store, folder)
        frames[table.name] = (
            _empty(table) if rows is None else rows.filter(within & _of_run(run, table, extent))
        )
    return Results(entries, commits, frames)


def count_kept(pipeline: Pipeline, commits: Sequence[Commit], frames: Frames) -> Kept:
    """The counts of the run's tables."""
    rejected, foreign, examples = _rejected(frames[REJECTED.name])
    return Kept(
        worked=_worked(pipeline, frames),
        rejected=rejected,
        foreign=foreign,
        examples=examples,
        table_rows={topic.name: _to_repeat(topic, frames[topic.table.name]) for topic in pipeline.outputs},
        dropped_by_watermark=sum(commit.dropped_by_watermark for commit in commits),
    )


def _of_run(run: Run, table: Table, extent: Extent) -> pc.Expression:
    own = pc.field("run") == run.id
    if table != REJECTED:
        return own
    return (own & ~_IS_FOREIGN) | (_IS_FOREIGN & _within(extent))


def _within(extent: Extent) -> pc.Expression:
    """Whether a place lies among the run's messages."""
    places = pc.scalar(False)
    for topic, partition, first, end in extent.stretches():
        offset = pc.field("offset")
        here = (pc.field("topic") == topic) & (pc.field("partition") == partition)
        places = places | (here & (offset >= first) & (offset < end))
    return places


def _empty(table: Table) -> dataset.Dataset:
    return dataset.dataset(schema_of(table).append(pa.field("batch_id", pa.int64())).empty_table())


def _to_repeat(topic: OutputTopic, frame: dataset.Dataset) -> int:
    return frame.count_rows(filter=None if topic.where is None else pc.field(topic.where))


def _worked(pipeline: Pipeline, frames: Frames) -> defaultdict[str, Tally]:
    found = tallies()
    for name, role in ((read.topic.name, read.role) for read in pipeline.reads):
        if role is Role.SCORED:
            for scored in scan(frames[str(pipeline.scored_table)], ["batch_index"]):
                found[name].extend(scored["batch_index"], pa.array(np.ones(len(scored), np.int64)))
        else:
            for used in scan(frames[WORKED.name], ["batch_index", "rows"], pc.field("topic") == name):
                found[name].extend(used["batch_index"], used["rows"])
    return found


def _rejected(
    frame: dataset.Dataset,
) -> tuple[dict[tuple[str, str], Tally], Counter[str], dict[tuple[str, str], str]]:
    """Rows by topic and reason, foreign messages by topic, and what is wrong with the first of each."""
    found: defaultdict[tuple[str, str], Tally] = defaultdict(Tally)
    foreign, examples = Counter[str](), dict[tuple[str, str], str]()
    for batch in scan(frame, ["topic", "reason", "batch_index", "rows", "detail"]):
        rows = pa.table(batch)
        # One thread: only then the first is the first.
        cells = rows.group_by(["topic", "reason"], use_threads=False).aggregate([("detail", "first")])
        for topic, reason, detail in zip(*(column.to_pylist() for column in cells.columns), strict=True):
            examples.setdefault((topic, reason), detail)
            own = rows.filter((pc.field("topic") == topic) & (pc.field("reason") == reason))
            if reason == Reason.FOREIGN:
                foreign[topic] += len(own)
            else:
                found[topic, reason].extend(own["batch_index"], own["rows"])
    return dict(found), foreign, examples
