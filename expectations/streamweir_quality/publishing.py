"""From a run to its published quality docs."""

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

from streamweir.contracts.runs import Run
from streamweir.duck import sorting
from streamweir.errors import RunFailed
from streamweir.objectstore import ObjectStore, to_json
from streamweir.scorer.spec import Servers
from streamweir_quality.carried import leave
from streamweir_quality.checks import CRITICAL, Subject
from streamweir_quality.docs import write_docs
from streamweir_quality.inputs import Inputs, gather
from streamweir_quality.model_again import model_again, sample, scores_again
from streamweir_quality.recompute import left_tables, recompute_subjects
from streamweir_quality.runner import Outcome, validate
from streamweir_quality.schema import schema_subject

RESULTS = "results.json"


def inspect(
    store: ObjectStore,
    servers: Servers,
    run: Run,
    subjects: Callable[[Inputs], Iterable[Subject]],
    rows_again: int,
    work: Path,
) -> str:
    """Check a run and publish docs and results; returns one sentence.

    rows_again: how many rows its model scores a second time, at most. work: a folder for files.
    Raises RunFailed, after publishing, when a critical expectation failed.
    """
    inputs = gather(store, servers.kafka, run, work)
    with sorting(work) as sql:
        tables = list(recompute_subjects(inputs, sql))
        chosen = sample(inputs, sql, rows_again)
        # Also when an expectation fails: later runs are measured by what the stream published.
        leave(store, run, inputs.replayed.left, left_tables(inputs, sql), work)
    with ThreadPoolExecutor(1) as beside:
        # A JVM takes seconds to start: meanwhile the other expectations are checked.
        again = beside.submit(scores_again, inputs, chosen, servers, work)
        # One after the other: a subject's frame is made when its turn comes, and then let go.
        validated = validate(chain(subjects(inputs), tables, [schema_subject(inputs)]))
        validated += validate(model_again(inputs, chosen, again.result()))
    docs = work / "docs"
    write_docs(validated, docs, title=inputs.pipeline.title, run=run.id)
    outcomes = [outcome for suite in validated for outcome in suite.outcomes]
    (docs / RESULTS).write_bytes(to_json([outcome.to_json() for outcome in outcomes]))
    # Pages of an earlier try of the same run must not stay beside the new ones.
    store.delete_folder(run.quality)
    store.upload_folder(run.quality, docs)
    fatal = [outcome for outcome in outcomes if outcome.fatal]
    if fatal:
        raise RunFailed(_complaint(fatal, run))
    return _summary(outcomes)


def _complaint(fatal: list[Outcome], run: Run) -> str:
    first = fatal[0]
    count = "1 critical expectation" if len(fatal) == 1 else f"{len(fatal)} critical expectations"
    return (
        f"{count} failed, the first on {first.table}: {first.sentence} ({first.observed}); "
        f"see {run.quality}/index.html"
    )


def _summary(outcomes: list[Outcome]) -> str:
    counts = Counter((outcome.severity == CRITICAL, outcome.success) for outcome in outcomes)
    return (
        f"{counts[True, True]} critical expectations passed, none failed; "
        f"{counts[False, True]} warnings passed, {counts[False, False]} failed"
    )
