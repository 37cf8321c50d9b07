"""summary.json: the run in numbers, for programs."""

import platform
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pyarrow as pa

from streamweir.contracts.runs import DATASET_TASK
from streamweir.reporting.inputs import Bundle
from streamweir.reporting.pieces import content_of
from streamweir.reporting.verdict import CRITICAL, judge

_PACKAGES = (
    "streamweir",
    "apache-airflow",
    "confluent-kafka",
    "great-expectations",
    "kafka-python",
    "matplotlib",
    "minio",
    "numpy",
    "orjson",
    "pandas",
    "pyarrow",
    "pyspark",
)


def summarise(bundle: Bundle) -> dict[str, Any]:
    """The content of summary.json; a part that the run did not reach is null or empty."""
    verdict, ledger = judge(bundle), bundle.ledger or {}
    return {
        "run": bundle.run.id,
        "stream": bundle.run.stream.id,
        "pipeline": bundle.pipeline.name,
        "outcome": verdict.outcome,
        "failures": [vars(failure) for failure in verdict.failures],
        "warnings": list(verdict.warnings),
        "parameters": parameters(bundle),
        "dataset": {name: value for name, value in bundle.result_of(DATASET_TASK).items() if name != "files"},
        "model": dict(bundle.model) or None,
        "packages": packages(),
        "rows": {**ledger.get("totals", {}), "tables": _table_rows(bundle)},
        "unexplained": ledger.get("unexplained"),
        "foreign": ledger.get("foreign"),
        "flush": ledger.get("flush"),
        "tasks": {record["task"]: _task(record) for record in bundle.tasks},
        "seconds": _wall_seconds(bundle),
        "replay": replay_rate(bundle),
        **_timings(bundle),
        "quality": quality_counts(bundle),
        "analysis": analysis(bundle),
        "memory": bundle.memory,
    }


def parameters(bundle: Bundle) -> dict[str, Any]:
    """The run's parameters by their lower-case names, with `start_ts` as it was used."""
    found = dict(bundle.parameters or {})
    if bundle.manifest is not None:
        found["start_ts"] = bundle.manifest["start_ts"]
    return found


def packages() -> dict[str, str]:
    """The versions of Python and of the packages that make the results."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def replay_rate(bundle: Bundle) -> dict[str, Any] | None:
    """What the replay sent, in how many seconds, and rows a second over all topics."""
    if bundle.manifest is None:
        return None
    rows, seconds = sum(bundle.manifest["rows"].values()), bundle.manifest["seconds"]
    return {
        "batches": bundle.manifest["batches"],
        "rows": rows,
        "seconds": seconds,
        "rows_per_second": _rate(rows, seconds),
        "resumed_at_sequence": bundle.manifest["resumed_at_sequence"],
    }


def _timings(bundle: Bundle) -> dict[str, Any]:
    """How fast the scorer was, and how soon its output was there; of several stages each by its name."""
    found = {
        stage.name: {
            "scorer": throughput(bundle.micro_batches.get(stage.name)),
            "latency_s": latency(bundle.latency.get(stage.name)),
        }
        for stage in bundle.pipeline.stages
    }
    return found.get("", {"stages": found})


def throughput(frame: pa.Table | None) -> dict[str, Any] | None:
    """What a scorer did, from the micro-batches' commits.

    seconds: between the first and the last commit. rows_per_second: the rows of the micro-batches after the
    first in that time; null for a single one. A paced replay gives it no more to do than its own rate.
    state_bytes: what it remembered, at most and in the end.
    """
    if frame is None or not frame.num_rows:
        return None
    rows = sum(frame[name].to_numpy() for name in ("used", "scored", "rejected"))
    at, state = frame["committed_at"].to_pylist(), frame["state_bytes"].to_pylist()
    seconds = (at[-1] - at[0]).total_seconds()
    return {
        "micro_batches": frame.num_rows,
        "rows": int(rows.sum()),
        "seconds": round(seconds, 3),
        "rows_per_second": _rate(int(rows[1:].sum()), seconds),
        "state_bytes": {"largest": max(state), "last": state[-1]},
    }


def latency(frame: pa.Table | None) -> dict[str, Any] | None:
    """Seconds from a message's append in Kafka to the commit of its output: p50, p95, max."""
    if frame is None or not frame.num_rows:
        return None
    seconds = frame["seconds"].to_numpy()
    p50, p95 = np.quantile(seconds, [0.5, 0.95])
    return {
        "p50": round(float(p50), 3),
        "p95": round(float(p95), 3),
        "max": round(float(seconds.max()), 3),
        "messages": len(seconds),
    }


def analysis(bundle: Bundle) -> dict[str, list[dict[str, Any]]]:
    """What the pipeline finds in its results, by the findings' names."""
    findings = content_of(bundle.pipeline.name).analysis
    return {finding.name: [_plain(row) for row in finding.rows(bundle)] for finding in findings}


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON holds it: a moment as ISO text."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}


def quality_counts(bundle: Bundle) -> dict[str, int] | None:
    """How many expectations there were, and how many failed by severity."""
    if bundle.quality is None:
        return None
    failed = [check for check in bundle.quality if not check["success"]]
    critical = sum(check["severity"] == CRITICAL for check in failed)
    return {
        "expectations": len(bundle.quality),
        "failed_critical": critical,
        "failed_warnings": len(failed) - critical,
    }


def _table_rows(bundle: Bundle) -> dict[str, int]:
    return {name: frame.num_rows for name, frame in bundle.tables.items()}


def _task(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: record[name] for name in ("outcome", "started_at", "ended_at", "seconds")}


def _wall_seconds(bundle: Bundle) -> float | None:
    if not bundle.tasks:
        return None
    first = datetime.fromisoformat(bundle.tasks[0]["started_at"])
    last = max(datetime.fromisoformat(record["ended_at"]) for record in bundle.tasks)
    return round((last - first).total_seconds(), 3)


def _rate(rows: int, seconds: float) -> float | None:
    return round(rows / seconds, 1) if seconds > 0 else None
