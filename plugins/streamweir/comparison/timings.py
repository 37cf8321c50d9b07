"""How fast two runs were: shown beside each other, and no part of what makes them equal."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from streamweir.contracts.runs import Run
from streamweir.contracts.streams import ObjectKey, named
from streamweir.contracts.tables import Pipeline
from streamweir.objectstore import ObjectStore
from streamweir.reporting.summary import latency, throughput


def timings(
    store: ObjectStore, pipeline: Pipeline, runs: tuple[Run, Run], folder: Path
) -> list[dict[str, Any]]:
    """A row per measure and stage: latency in seconds, rows a second; None where a run has none."""
    found = []
    for stage in pipeline.stages:
        both = [dict(_measures(store, run.of_stage(stage.name), folder)) for run in runs]
        found += [
            {
                "measure": named(stage.name, name),
                "baseline": both[0].get(name),
                "candidate": both[1].get(name),
            }
            for name in dict.fromkeys((*both[0], *both[1]))
        ]
    return found


def _measures(store: ObjectStore, run: Run, folder: Path) -> Iterator[tuple[str, float]]:
    if times := latency(_frame(store, run.latency, folder, ["seconds"])):
        yield from ((f"latency_{share}_s", times[share]) for share in ("p50", "p95", "max"))
    columns = ["committed_at", "used", "scored", "rejected", "state_bytes"]
    rate = throughput(_frame(store, run.micro_batches, folder, columns))
    if rate and rate["rows_per_second"]:
        yield "rows_per_second", rate["rows_per_second"]


def _frame(store: ObjectStore, key: ObjectKey, folder: Path, columns: Sequence[str]) -> Any:
    """These columns of a table of timings; None when there is none."""
    if not store.exists(key):
        return None
    file = folder / "timing.parquet"
    store.download(key, file)
    return pq.read_table(file, columns=list(columns))
