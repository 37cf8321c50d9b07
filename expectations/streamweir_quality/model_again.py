"""The model a second time: a run's scores against those that the model's own `transform` gives the same rows.

The rows are made by the recomputation. A pipeline with a model offers beside `recompute` the function
`model_rows(sql)`, a relation of the columns that a model may use, and `SCORES`: by column of the table of its
scored rows, which `Score` it holds.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from streamweir.contracts.models import ROW
from streamweir.contracts.tables import Table
from streamweir.duck import quoted
from streamweir.scorer.spec import Servers
from streamweir_quality.carried import recompute_of
from streamweir_quality.checks import Subject, all_equal
from streamweir_quality.inputs import Inputs
from streamweir_quality.score_again import Scoring, score_again

SUITE = "the model again"
TOLERANCE = 1e-12
"""How far apart two probabilities may be: sums may run in another order."""
_SEED = "streamweir"

Row = Mapping[str, Any]


class Score(StrEnum):
    """What a column of the table of scored rows holds."""

    PROBABILITIES = "probability"
    FRAUD = "fraud_probability"
    OWN = "prediction"
    """1 when the model's own prediction is fraud."""
    DECIDED = "decided"
    """1 when the run's deciding rule says fraud."""


@dataclass(frozen=True)
class Sample:
    """The rows that are scored again, in the order of a seeded hash of their key. of: how many there are."""

    rows: pa.Table
    of: int

    def __str__(self) -> str:
        compared = f"{self.rows.num_rows:,} of {self.of:,} rows"
        if self.rows.num_rows == self.of:
            return compared
        return f"{compared} ({100 * self.rows.num_rows / self.of:.1f} %, a seeded sample)"


def sample(inputs: Inputs, sql: duckdb.DuckDBPyConnection, at_most: int) -> Sample | None:
    """What `sql` holds after the recomputation, as a model takes it; None for a run without a model."""
    if inputs.version is None:
        return None
    table, module = _scored_table(inputs), recompute_of(inputs.pipeline.name)
    key = quoted(table.key)
    order = f"md5(concat_ws(' ', '{_SEED}', {key}))"
    # Of all rows only the keys are put in order.
    keys = sql.table(f"batch_{table.name}").select(key)
    keys.order(order).limit(at_most).create("sampled")
    module.model_rows(sql).create_view("model_rows")
    chosen = sql.sql(f"from model_rows semi join sampled using ({key}) order by {order}")
    return Sample(chosen.to_arrow_table(), keys.count("*").fetchall()[0][0])


def scores_again(inputs: Inputs, chosen: Sample | None, servers: Servers, work: Path) -> pa.Table | None:
    """The scores that the model's own `transform` gives the sample, as `contracts.models.SCORES`.

    None for a run without a model. Raises the error of the app when it cannot score the rows.
    """
    if chosen is None:
        return None
    scoring = Scoring(
        inputs.pipeline.name,
        str(inputs.version),
        inputs.parameters.get("time_zone", "UTC"),
        inputs.parameters.get("fraud_label") or "",
    )
    return score_again(scoring, chosen.rows, servers, work)


def model_again(inputs: Inputs, chosen: Sample | None, scores: pa.Table | None) -> list[Subject]:
    """The subject that compares the sample's scores; none for a run without a model."""
    if chosen is None or scores is None:
        return []
    table, columns = _scored_table(inputs), recompute_of(inputs.pipeline.name).SCORES
    stream = _rows_of(inputs.tables[inputs.pipeline.named(table.name)], chosen, table.key, columns)
    frame = compared(chosen, scores, stream, table.key, columns, inputs.threshold)
    sentence = (
        f"the model's own transform makes the same {', '.join(columns)}: 0 rows differ; compared: {chosen}"
    )
    return [Subject(SUITE, table.name, frame, (all_equal("difference", sentence),))]


def _rows_of(file: Path, chosen: Sample, key: Sequence[str], columns: Iterable[str]) -> pa.Table:
    """The rows of the sample in the stream's table."""
    with duckdb.connect() as sql:
        sql.register("sampled", chosen.rows.select(list(key)))
        sql.read_parquet(str(file)).create_view("stream")
        names, keys = quoted([*key, *columns]), quoted(key)
        # Column names are the contract's, never the data's.
        rows = sql.sql(f"select {names} from stream semi join sampled using ({keys})")  # noqa: S608
        return rows.to_arrow_table()


def compared(
    chosen: Sample,
    scores: pa.Table,
    stream: pa.Table,
    key: Sequence[str],
    columns: Mapping[str, Score],
    threshold: float | None,
) -> pd.DataFrame:
    """A row for each row of the sample; `difference`: how the stream's scores differ, None when they do not.

    scores: as `contracts.models.SCORES`. threshold: of the run's deciding rule, None when the model decides.
    """
    of_stream = {_key(row, key): row for row in stream.select([*key, *columns]).to_pylist()}
    of_batch = defaultdict(list)
    for score in scores.to_pylist():
        of_batch[score[ROW]].append(score)
    found = (
        (asked, _difference(of_stream.get(_key(asked, key)), of_batch[number], columns, threshold))
        for number, asked in enumerate(chosen.rows.select(list(key)).to_pylist())
    )
    lines = [why and f"{', '.join(f'{name} {asked[name]}' for name in key)}: {why}" for asked, why in found]
    return pd.DataFrame({"difference": lines}, dtype=object)


def _difference(
    stream: Row | None, batch: Sequence[Row], columns: Mapping[str, Score], threshold: float | None
) -> str | None:
    if stream is None:
        return "the row is in the batch only"
    if len(batch) != 1:
        return f"the model's own transform makes {len(batch)} rows of it"
    if refusal := batch[0]["refusal"]:
        return f"the model's own transform refuses the row: {refusal}"
    right: dict[str, tuple[Any, ...]] = {name: (value,) for name, value in batch[0].items()}
    right[Score.DECIDED] = _decisions(batch[0], threshold)
    different = [
        f"{column} is {stream[column]} in the stream and {right[score][0]} in the batch"
        for column, score in columns.items()
        if not any(_near(stream[column], value) for value in right[score])
    ]
    return ", ".join(different) or None


def _decisions(score: Row, threshold: float | None) -> tuple[int | None, ...]:
    """1 for fraud; both where the probability is so near to the threshold that both are right."""
    if threshold is None:
        return (score[Score.OWN],)
    if score[Score.FRAUD] is None:
        return (None,)
    apart = score[Score.FRAUD] - threshold
    return (0, 1) if abs(apart) <= TOLERANCE else (int(apart > 0),)


def _near(left: Any, right: Any) -> bool:
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_near, left, right))
    if left is None or right is None:
        return left is right
    return left == right or math.isclose(left, right, rel_tol=0, abs_tol=TOLERANCE)


def _key(row: Row, key: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row[name] for name in key)


def _scored_table(inputs: Inputs) -> Table:
    return inputs.pipeline.table(str(inputs.pipeline.scored_table))
