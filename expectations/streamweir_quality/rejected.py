"""The rejected records against the ledger, the same for every pipeline: reason by reason."""

from collections.abc import Iterable
from pathlib import Path

import duckdb
import pandas as pd

from streamweir.contracts.rejected import BY_MODEL, REJECTED, Reason
from streamweir.contracts.tables import Stage
from streamweir_quality.checks import Subject, between, equal, one_of, present
from streamweir_quality.inputs import Inputs, Stored

_COUNTED = (Reason.MALFORMED, Reason.LATE, Reason.UNSCORABLE, Reason.DUPLICATE)


def rejected_subjects(inputs: Inputs) -> Iterable[Subject]:
    """The rejected records of each stage, and how many there are per reason."""
    for stage in inputs.pipeline.stages:
        yield from _of_stage(inputs, stage)


def _of_stage(inputs: Inputs, stage: Stage) -> Iterable[Subject]:
    table = stage.named(REJECTED.name)
    file = inputs.tables[table]
    yield Subject(
        table,
        table,
        Stored(file, {"detail": _has_detail(file)}),
        (
            one_of("reason", [reason.value for reason in Reason], "the reason is one of the five"),
            *(present(column) for column in ("topic", "partition", "offset", "row", "reason", "detail")),
            between("rows", 0, None, "the number of records a line accounts for is not negative"),
        ),
    )
    yield Subject(
        f"{table} per reason",
        table,
        _per_reason(inputs, stage),
        (
            equal(
                "in_ledger", "in_rejected", "as many records were rejected for each reason as the ledger says"
            ),
        ),
    )


def refused_by_model(inputs: Inputs, sql: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
    """partition, offset and row of what nothing but the model refuses; the stream is believed in that."""
    rejected = sql.read_parquet(str(inputs.tables[REJECTED.name]))
    refused = rejected.filter(f"reason = '{Reason.UNSCORABLE}' and contains(detail, '{BY_MODEL}')")
    return refused.select('"partition", "offset", "row"')


def _has_detail(file: Path) -> pd.Series:
    """True or None: of the sentences, which are long, only that they are there is checked."""
    with duckdb.connect() as sql:
        rejected = sql.read_parquet(str(file))
        return (
            rejected.select("case when detail is not null then true end as detail")
            .to_arrow_table()
            .to_pandas()["detail"]
        )


def _per_reason(inputs: Inputs, stage: Stage) -> pd.DataFrame:
    with duckdb.connect() as sql:
        rejected = sql.read_parquet(str(inputs.tables[stage.named(REJECTED.name)]))
        sums = rejected.aggregate("topic, reason, sum(rows)::bigint", "topic, reason").fetchall()
    found = {(topic, reason): rows for topic, reason, rows in sums}
    topics = {stage.named(read.topic.name): read.topic.name for read in stage.reads}
    lines = [
        (topics[name], reason.value, line.get(reason.value, 0), found.get((topics[name], reason.value), 0))
        for name, line in inputs.ledger["totals"].items()
        if name in topics
        for reason in _COUNTED
    ]
    return pd.DataFrame(lines, columns=["topic", "reason", "in_ledger", "in_rejected"])
