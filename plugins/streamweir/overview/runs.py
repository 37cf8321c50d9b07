"""The runs that left a bundle, and how each went."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from streamweir.commits import READERS
from streamweir.contracts.rejected import Reason
from streamweir.contracts.runs import PLAN, SUMMARY, Run
from streamweir.contracts.streams import RUNS, ObjectKey
from streamweir.objectstore import ObjectStore
from streamweir.overview.streams import moment_in, named_and_of_runs

UNTOLD = "no report yet"
"""The outcome of a run whose report is not written."""


def newest_runs(objects: ObjectStore, pipeline: str, stream: str = "", *, most: int) -> list[dict[str, Any]]:
    """The newest runs of a pipeline or of one of its streams: run, stream, outcome, when it began, how long
    it took, the rows that were sent, and how many are unexplained."""
    streams = [stream] if stream else _streams(objects, pipeline, most)
    with ThreadPoolExecutor(READERS) as pool:
        bundles = list(pool.map(partial(_newest, objects, pipeline, most=most), streams))
        newest = sorted((bundle for some in bundles for bundle in some), key=_moment, reverse=True)
        return list(pool.map(partial(_row, objects), newest[:most]))


def _streams(objects: ObjectStore, pipeline: str, most: int) -> Iterable[str]:
    """Streams that may have the newest runs: all that have a name of their own, and the newest of the others,
    which are called like their run."""
    named, of_runs = named_and_of_runs(objects.folders(ObjectKey(RUNS, pipeline)))
    return [*named, *of_runs[-most:]]


def _newest(objects: ObjectStore, pipeline: str, stream: str, *, most: int) -> list[ObjectKey]:
    below = ObjectKey(RUNS, f"{pipeline}/{stream}")
    return sorted((below / name for name in objects.folders(below)), key=_moment)[-most:]


def _moment(bundle: ObjectKey) -> tuple[str, str]:
    return moment_in(bundle.key.rpartition("/")[2])


def _row(objects: ObjectStore, bundle: ObjectKey) -> dict[str, Any]:
    said = objects.get_json(bundle / SUMMARY) or {}
    run = said.get("run") or (objects.get_json(bundle / PLAN) or {}).get("run")
    began = [task["started_at"] for task in said.get("tasks", {}).values()]
    folders = bundle.key.split("/")
    return {
        "run": run or folders[-1],
        "stream": folders[-2],
        "outcome": said.get("outcome") or UNTOLD,
        "began": min(began, default=None),
        "seconds": said.get("seconds"),
        "rows": (said.get("replay") or {}).get("rows"),
        "unexplained": said.get("unexplained"),
    }


@dataclass(frozen=True)
class Figures:
    """A run in numbers; None where it did not get that far.

    rows, rows_per_second: of the replay, over all topics. scored_per_second: rows a second of the scorer.
    p50, p95: latency in seconds; both of the slowest stage. failed, warnings: expectations that were not met.
    rejected: the share of the rows that went in. precision, recall: of the alerts, on labelled rows that the
    model did not learn from.
    """

    outcome: str
    seconds: float | None
    rows: int | None
    rows_per_second: float | None
    scored_per_second: float | None
    p50: float | None
    p95: float | None
    unexplained: int | None
    expectations: int | None
    failed: int | None
    warnings: int | None
    rejected: float | None
    precision: float | None
    recall: float | None


def figures(objects: ObjectStore, runs: Sequence[Run]) -> list[Figures | None]:
    """Each run in numbers, from its `summary.json`; None where it has none."""
    with ThreadPoolExecutor(READERS) as pool:
        found = pool.map(objects.get_json, [run.summary for run in runs])
        return [_figures(said) if said else None for said in found]


def _figures(said: Mapping[str, Any]) -> Figures:
    replay, quality = said.get("replay") or {}, said.get("quality") or {}
    stages = (said.get("stages") or {"": said}).values()
    found = (row for rows in (said.get("analysis") or {}).values() for row in rows)
    measures = {row["measure"]: row["value"] for row in found if "measure" in row}
    rates = [rate for stage in stages if (rate := (stage.get("scorer") or {}).get("rows_per_second"))]
    slowest: Mapping[str, float] = max(
        (stage["latency_s"] for stage in stages if stage.get("latency_s")),
        key=lambda latency: latency["p95"],
        default={},
    )
    return Figures(
        outcome=said["outcome"],
        seconds=said.get("seconds"),
        rows=replay.get("rows"),
        rows_per_second=replay.get("rows_per_second"),
        scored_per_second=min(rates, default=None),
        p50=slowest.get("p50"),
        p95=slowest.get("p95"),
        unexplained=said.get("unexplained"),
        expectations=quality.get("expectations"),
        failed=quality.get("failed_critical"),
        warnings=quality.get("failed_warnings"),
        rejected=_rejected_share(said.get("rows") or {}),
        precision=measures.get("precision"),
        recall=measures.get("recall"),
    )


def _rejected_share(rows: Mapping[str, Any]) -> float | None:
    """Of the ledger's totals: rejected rows of all topics, of those that were sent; None where none was."""
    topics = [counts for name, counts in rows.items() if name != "tables"]
    sent = sum(counts["produced"] for counts in topics)
    rejected = sum(counts.get(reason, 0) for counts in topics for reason in Reason)
    return rejected / sent if sent else None
