"""The comparison of two runs, put together: what comparison.json holds."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from streamweir.comparison import differences
from streamweir.comparison.judging import judged
from streamweir.comparison.pairs import BASELINE, CANDIDATE, SIDES, Layout, comparing, pair_up
from streamweir.comparison.runs import Side, alike, run_named
from streamweir.comparison.timings import timings
from streamweir.contracts.pipelines import pipeline as pipeline_of
from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.runs import COMPARISON_FORMAT, Run
from streamweir.contracts.streams import ObjectKey
from streamweir.contracts.tables import Pipeline, Scores, Stage, Table
from streamweir.errors import BadConfiguration, Retryable, StreamweirError
from streamweir.objectstore import ObjectStore

EQUAL, DIFFERENT = "equal", "different"
_NOT_SETTINGS = {"start_ts", "compare_with"}
"""Params that are compared as what came of them, or say nothing of the results."""

Found = dict[str, Any]


def compare(store: ObjectStore, baseline: Run, candidate: Run, tolerance: float | None = None) -> Found:
    """The comparison of two finished runs that replayed the same messages, as comparison.json holds it.

    tolerance: how far two numbers that are not whole may be apart; None: they are equal to the bit. Raises
    BadConfiguration for runs that cannot be compared, StreamweirError when there is no room to do it, or a
    table cannot be read.
    """
    sides = alike(store, baseline, candidate)
    pipeline = pipeline_of(baseline.stream.pipeline)
    with tempfile.TemporaryDirectory(prefix="streamweir-compare-") as folder:
        try:
            with comparing(Path(folder)) as sql:
                return _compared(sql, pipeline, sides, store, Path(folder), tolerance)
        except (duckdb.Error, pa.ArrowInvalid, OSError) as error:
            # What DuckDB says is followed by advice for those who set it up.
            why = str(error).partition("\n")[0]
            raise StreamweirError(
                f"the tables of {baseline.id} and {candidate.id} could not be compared in {folder}: {why}"
            ) from error


def put_comparison(store: ObjectStore, compare_with: str, run: Run) -> Found:
    """Compare a run with the one that is named and write the result into its bundle.

    What cannot be compared is said there, as `problem`. Raises Retryable when that may pass.
    """
    try:
        found = compare(store, run_named(run.stream.pipeline, compare_with), run)
    except Retryable:
        raise
    except StreamweirError as error:
        found = {"format": COMPARISON_FORMAT, BASELINE: {"run": compare_with}, "problem": str(error)}
    store.put_json(run.comparison, found)
    return found


def alert_column(stage: Stage, table: Table, scores: Scores | None) -> str | None:
    """The column of a table that is true where an alert is raised."""
    if scores and scores.called in table.names:
        return scores.called
    return next((topic.where for topic in stage.writes if topic.table == table and topic.where), None)


def _compared(
    sql: duckdb.DuckDBPyConnection,
    pipeline: Pipeline,
    sides: tuple[Side, Side],
    store: ObjectStore,
    folder: Path,
    tolerance: float | None,
) -> Found:
    tables, quality, rejected = [], None, list[Found]()
    for stage, table in _tables(pipeline):
        files = _fetched(store, sides, stage, table, folder)
        layout = pair_up(sql, table, files, tolerance)
        scores = pipeline.scores if table.name == pipeline.scored_table else None
        alert = alert_column(stage, table, scores)
        tables.append({"table": stage.named(table.name), **_table(sql, layout, scores, alert)})
        if scores:
            quality = judged(sql, layout, scores, max(side.taught(store) for side in sides))
        if table == REJECTED:
            rejected += _rejected(sql, stage)
        for file in files:
            file.unlink()
    return {
        "format": COMPARISON_FORMAT,
        "pipeline": pipeline.name,
        **{name: _said(side) for name, side in zip(SIDES, sides, strict=True)},
        "outcome": EQUAL if all(map(_is_equal, tables)) else DIFFERENT,
        "tolerance": tolerance,
        "settings": list(_settings(*sides)),
        "tables": tables,
        "quality": quality,
        "rejected": rejected,
        "timings": timings(store, pipeline, (sides[0].run, sides[1].run), folder),
    }


def _tables(pipeline: Pipeline) -> Iterator[tuple[Stage, Table]]:
    return ((stage, table) for stage in pipeline.stages for table in stage.tables)


def _fetched(
    store: ObjectStore, sides: Sequence[Side], stage: Stage, table: Table, folder: Path
) -> list[Path]:
    """The files of a table; raises BadConfiguration when a run has none."""
    keys = [side.run.of_stage(stage.name).table_file(table.name) for side in sides]
    return [_file(store, key, folder / f"{side}.parquet") for side, key in zip(SIDES, keys, strict=True)]


def _file(store: ObjectStore, key: ObjectKey, path: Path) -> Path:
    if not store.exists(key):
        raise BadConfiguration(f"table {key} is not there: reconcile that run again")
    store.download(key, path)
    return path


def _table(sql: duckdb.DuckDBPyConnection, layout: Layout, scores: Scores | None, alert: str | None) -> Found:
    counts = differences.counted(sql, layout)
    changed = [column for column, rows in counts["columns"].items() if rows]
    shown = [column for column in (alert, scores and scores.probability) if column]
    differences.keep_differing(sql, layout, changed, shown)
    found: Found = {
        "key": list(layout.key),
        "rows": {side: counts[side] for side in SIDES},
        **{f"{side}_only": _only(sql, layout, side, counts) for side in SIDES},
        "differing": {
            "rows": counts["differing"],
            "columns": differences.column_differences(sql, layout, counts["columns"]),
            "examples": differences.examples(sql, layout, changed, "in_baseline and in_candidate"),
        },
        "unshared_columns": dict(layout.unshared),
    }
    if scores:
        found["probability"] = differences.probability_differences(sql, layout, scores.probability)
        found["flips"] = differences.flips(sql, layout, scores.called, scores.probability)
    if alert:
        found["alerts"] = differences.alerts(sql, layout, alert, shown)
    return found


def _only(sql: duckdb.DuckDBPyConnection, layout: Layout, side: str, counts: Mapping[str, int]) -> Found:
    return {"rows": counts[side] - counts["both"], "examples": differences.only_in(sql, layout, side)}


def _is_equal(table: Mapping[str, Any]) -> bool:
    parts = (table["baseline_only"], table["candidate_only"], table["differing"])
    return not any(part["rows"] for part in parts) and not any(table["unshared_columns"].values())


def _rejected(sql: duckdb.DuckDBPyConnection, stage: Stage) -> list[Found]:
    """Rows by topic and reason of both runs."""
    rows = (f"coalesce(sum(rows) filter (side = '{side}'), 0)::bigint" for side in SIDES)
    both = " union all ".join(
        f"select '{side}' as side, topic, reason, rows from {side}_rows" for side in SIDES
    )
    found = sql.sql(
        f"select topic, reason, {', '.join(rows)} from ({both}) group by all order by all"
    ).fetchall()
    names = ("topic", "reason", BASELINE, CANDIDATE)
    return [dict(zip(names, (stage.named(topic), *rest), strict=True)) for topic, *rest in found]


def _said(side: Side) -> Found:
    return {"run": side.run.id, "stream": side.run.stream.id, "model_version": side.version}


def _settings(baseline: Side, candidate: Side) -> Iterator[Found]:
    """The params in which the runs differ."""
    first, second = baseline.parameters, candidate.parameters
    for name in sorted({*first, *second} - _NOT_SETTINGS):
        if first.get(name) != second.get(name):
            yield {"name": name, BASELINE: first.get(name), CANDIDATE: second.get(name)}
