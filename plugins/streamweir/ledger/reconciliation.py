"""The reconciliation of a run: count thrice, compare, write, and fail when something is unexplained."""

import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from streamweir.arrow import parquet
from streamweir.broker.records import log_end, read_topic
from streamweir.commits import Commit, Vanished
from streamweir.connections import KafkaConnection
from streamweir.contracts.pipelines import pipeline as find_pipeline
from streamweir.contracts.rejected import WORKED
from streamweir.contracts.runs import Run
from streamweir.contracts.tables import Pipeline, Stage
from streamweir.duck import put_rows, sorting
from streamweir.errors import RunFailed
from streamweir.ledger import bundle
from streamweir.ledger.account import account
from streamweir.ledger.broker import Extent, InputCounts
from streamweir.ledger.committed import Entries, scan
from streamweir.ledger.compaction import compact
from streamweir.ledger.counts import Held, Kept
from streamweir.ledger.producer import read_manifest, read_plan, read_sent
from streamweir.ledger.published import count_published, earliest
from streamweir.ledger.results import Frames, count_kept, read_results
from streamweir.ledger.timing import LATENCY_SCHEMA, latencies, micro_batches
from streamweir.ledger.values import Ledger
from streamweir.objectstore import ObjectStore
from streamweir.purge import note_reconciled
from streamweir.replay.plan import Offsets, Plan, offsets_from_json
from streamweir.replay.position import refuse_deleted


def reconcile(run: Run, kafka: KafkaConnection, store: ObjectStore) -> Ledger:
    """Account for every row of a run and write ledger, tables and timings into its bundle.

    What the stages left of a run that adds up is put together in the stream. Raises RunFailed, after writing,
    when a row is unexplained or two counts of the same thing differ; before the ledger is written, when the
    replay or a stage left nothing to count. Raises BadConfiguration when the run's records were deleted.
    """
    pipeline = find_pipeline(run.stream.pipeline)
    plan, manifest = read_plan(run, store), read_manifest(run, store)
    refuse_deleted(kafka, run, pipeline, plan)
    extent = Extent.of(plan, manifest)
    left = {stage.name: _take_results(run, pipeline, stage, plan, extent, store) for stage in pipeline.stages}
    inputs = _count_inputs(run, pipeline, plan, extent, kafka)
    counts = {
        stage.name: (_count_held(run, stage, left[stage.name], inputs, kafka), left[stage.name].kept)
        for stage in pipeline.stages
    }
    sent = read_sent(run, pipeline, manifest, store)
    ledger = account(run, pipeline, sent, counts)
    entries = {name: found.entries for name, found in left.items()}
    before = earliest(found.before for found in left.values())
    # Counts of millions of batches; the ledger has its own.
    del sent, counts, inputs, left
    bundle.write_ledger(run, ledger, store)
    note_reconciled(store, run, ledger.next_sequence, before)
    if not ledger.ok:
        raise RunFailed(ledger.problem())
    for name, found in entries.items():
        # What another reconciliation of the run puts together at the same time is put together.
        with suppress(Vanished):
            compact(run.stream.of_stage(name), found, manifest.flush_sequence, store)
    return ledger


@dataclass(frozen=True)
class _Left:
    """What a stage left of the run. before: where it had published up to before."""

    entries: Entries
    before: Offsets
    next_sequence: int
    kept: Kept


def _take_results(
    run: Run, pipeline: Pipeline, stage: Stage, plan: Plan, extent: Extent, store: ObjectStore
) -> _Left:
    """Write a stage's tables and timings of the run; gives their counts, and where they were found.

    What sorting and reading take is given back before millions of batches are counted.
    """
    own, narrowed = run.of_stage(stage.name), pipeline.of_stage(stage.name)
    with tempfile.TemporaryDirectory(prefix="streamweir-ledger-") as name:
        folder = Path(name)
        results = read_results(own, narrowed, plan.first_sequence, extent, store, folder)
        commits, frames = results.commits, results.frames
        bundle.write_tables(own, narrowed, frames, store, folder)
        _write_timings(own, narrowed, commits.found, frames, store, folder)
        kept, before = count_kept(narrowed, commits.found, frames), offsets_from_json(commits.published)
        return _Left(results.entries, before, commits.found[-1].next_sequence, kept)


def _count_inputs(
    run: Run, pipeline: Pipeline, plan: Plan, extent: Extent, kafka: KafkaConnection
) -> InputCounts:
    inputs = InputCounts(run.id, extent, plan.first_sequence)
    for topic in pipeline.inputs:
        records = read_topic(kafka, topic.of(run.stream), start=extent.start.get(topic.name))
        inputs.add(topic, records)
    return inputs


def _count_held(run: Run, stage: Stage, left: _Left, inputs: InputCounts, kafka: KafkaConnection) -> Held:
    published = {}
    for topic in stage.writes:
        name = topic.of(run.stream)
        # Another stream's open transaction on a shared topic is waited for: the run's rows may lie behind it.
        records = read_topic(kafka, name, start=left.before.get(name), end=log_end(kafka, name))
        published[topic.name] = count_published(run.of_stage(stage.name), topic, records, inputs.extent)
    return inputs.held(left.next_sequence, published)


def _write_timings(
    run: Run, pipeline: Pipeline, commits: Sequence[Commit], frames: Frames, store: ObjectStore, folder: Path
) -> None:
    with sorting(folder) as sql:
        rows = latencies(sql, pipeline, commits, scan(frames[WORKED.name]))
        put_rows(store, run.latency, rows, LATENCY_SCHEMA, folder)
    store.put(run.micro_batches, parquet(micro_batches(pipeline, commits, frames)))
