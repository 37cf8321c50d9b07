"""The reconciliation of a run: count thrice, compare, write, and fail when something is unexplained."""

import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from streamweir.broker.records import log_end, read_topic
from streamweir.commits import Commit, Vanished
from streamweir.connections import KafkaConnection
from streamweir.contracts.pipelines import pipeline as find_pipeline
from streamweir.contracts.runs import Run
from streamweir.contracts.tables import Pipeline
from streamweir.contracts.worked import WORKED
from streamweir.errors import RunFailed
from streamweir.ledger import bundle
from streamweir.ledger.account import account
from streamweir.ledger.broker import Extent, InputCounts
from streamweir.ledger.committed import Commits, Entries, scan
from streamweir.ledger.compaction import compact
from streamweir.ledger.counts import Held, Kept
from streamweir.ledger.producer import read_manifest, read_plan, read_sent
from streamweir.ledger.published import Places, count_published, places
from streamweir.ledger.results import Frames, count_kept, read_results
from streamweir.ledger.timing import LATENCY_SCHEMA, latencies, micro_batches
from streamweir.ledger.values import Ledger
from streamweir.objectstore import ObjectStore
from streamweir.purge import note_reconciled
from streamweir.replay.plan import Plan
from streamweir.replay.position import refuse_deleted


def reconcile(run: Run, kafka: KafkaConnection, store: ObjectStore) -> Ledger:
    """Account for every row of a run and write ledger, tables and timings into its bundle.

    What the scorer left of a run that adds up is put together in the stream. Raises RunFailed, after writing,
    when a row is unexplained or two counts of the same thing differ; before the ledger is written, when the
    replay or the scorer left nothing to count. Raises BadConfiguration when the run's records were deleted.
    """
    pipeline = find_pipeline(run.stream.pipeline)
    plan, manifest = read_plan(run, store), read_manifest(run, store)
    refuse_deleted(kafka, run, pipeline, plan)
    extent = Extent.of(plan, manifest)
    entries, commits, kept = _take_results(run, pipeline, plan, extent, store)
    inputs = InputCounts(run.id, extent, plan.first_sequence, commits.found[-1].next_sequence)
    before = places(commits.published)
    held = _count_held(run, pipeline, inputs, before, kafka)
    sent = read_sent(run, pipeline, manifest, store)
    ledger = account(run, pipeline, sent, held, kept)
    # Counts of millions of batches; the ledger has its own.
    del sent, held, kept, inputs
    bundle.write_ledger(run, ledger, store)
    note_reconciled(store, run, ledger.next_sequence, before)
    if not ledger.ok:
        raise RunFailed(ledger.problem())
    # What another reconciliation of the run puts together at the same time is put together.
    with suppress(Vanished):
        compact(run.stream, entries, manifest.flush_sequence, store)
    return ledger


def _take_results(
    run: Run, pipeline: Pipeline, plan: Plan, extent: Extent, store: ObjectStore
) -> tuple[Entries, Commits, Kept]:
    """Write the run's tables and timings; gives their counts, and where they were found.

    What sorting and reading take is given back before millions of batches are counted.
    """
    with tempfile.TemporaryDirectory(prefix="streamweir-ledger-") as name:
        folder = Path(name)
        results = read_results(run, pipeline, plan.first_sequence, extent, store, folder)
        commits, frames = results.commits, results.frames
        bundle.write_tables(run, pipeline, frames, store, folder)
        _write_timings(run, pipeline, commits.found, frames, store, folder)
        return results.entries, commits, count_kept(pipeline, commits.found, frames)


def _count_held(
    run: Run,
    pipeline: Pipeline,
    inputs: InputCounts,
    before: Places,
    kafka: KafkaConnection,
) -> Held:
    published = {}
    for topic in pipeline.inputs:
        name = run.stream.topic(topic.name)
        inputs.add(topic, read_topic(kafka, name, start=inputs.extent.start.get(topic.name)))
    for topic in pipeline.outputs:
        name = topic.of(run.stream)
        # Another stream's open transaction on a shared topic is waited for: the run's rows may lie behind it.
        records = read_topic(kafka, name, start=before.get(name), end=log_end(kafka, name))
        published[topic.name] = count_published(run, topic, records, inputs.extent)
    return Held(
        rows=inputs.rows,
        redriven=inputs.redriven,
        waiting=inputs.waiting,
        messages=inputs.messages,
        flushes=inputs.flushes,
        next_sequence=inputs.next_sequence,
        foreign=inputs.foreign,
        published=published,
    )


def _write_timings(
    run: Run, pipeline: Pipeline, commits: Sequence[Commit], frames: Frames, store: ObjectStore, folder: Path
) -> None:
    with bundle.sorting(folder) as sql:
        rows = latencies(sql, pipeline, commits, scan(frames[WORKED.name]))
        bundle.put_rows(store, run.latency, rows, LATENCY_SCHEMA, folder)
    bundle.put_parquet(store, run.micro_batches, micro_batches(pipeline, commits, frames))
