"""The proof that numpy gives a model's scores as Spark's own transform does."""

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.ml import PipelineModel
from pyspark.sql import SparkSession

from streamweir.arrow import arrow_schema
from streamweir.contracts.tables import Column, Type
from streamweir.errors import ModelUnusable
from streamweir.models.card import Card
from streamweir_spark.columns import UNSCORABLE
from streamweir_spark.evaluating import RowByRow, blames_values
from streamweir_spark.failures import sentence
from streamweir_spark.flow import Flow
from streamweir_spark.model import ScoringModel, prepare
from streamweir_spark.numpy_ml.evaluator import load
from streamweir_spark.numpy_ml.stages import NotEvaluated, RowRefused, SavedStage, stages_of
from streamweir_spark.numpy_model import NumpyModel

TOLERANCE = 1e-12
"""How far apart two probabilities may be; of raw predictions above 1, in parts of their size."""
MADE_UP, HISTORY = 2_000, 10_000
"""Rows that are made up, and rows of a history, at most."""
_SEED = 7
_EDGES = (0.0, -0.0, 1.0, -1.0, 1e-308, 1e15, -1e15, 1e308, -1e308)
_REFUSED_TRIED = 5
_SPELLED = 10_000
_WHOLE = 2**53
_MISFIT = (IndexError, KeyError, TypeError, ValueError)
"""What numpy raises of files that another version wrote, or of stages that do not fit together."""

Row = dict[str, Any]
Scores = dict[str, np.ndarray]


def prove(
    spark: SparkSession,
    folder: Path,
    model: PipelineModel,
    columns: Sequence[Column],
    history: pa.Table | None = None,
) -> dict[str, Any]:
    """Compare numpy's scores with Spark's on made-up rows, and on the rows of a history; returns what a card
    holds as `numpy`.

    folder: where the model is saved, as it was before it was made ready. columns: that a stream offers.
    """
    try:
        flow = Flow.of(model)
        stages = [str(step.stage.uid()) for step in flow.steps]
        evaluator = load(folder, stages)
        by_spark = prepare(spark, model, Card(source="proof"), columns)
        by_numpy = NumpyModel("", None, by_spark.needs, by_spark.inputs, flow.fraud_index, evaluator)
        rows = _asked(folder, by_spark, columns, history)
        why, apart = _compared(rows, by_spark, by_numpy)
    except (NotEvaluated, ModelUnusable) as error:
        return {"proven": False, "why": str(error)}
    except _MISFIT as error:
        return {"proven": False, "why": f"numpy fails on it: {type(error).__name__}: {error}"}
    return {
        "proven": why is None,
        "why": why or "",
        "rows": rows.num_rows,
        "largest_difference": apart,
        "stages": stages,
        "inputs": list(by_spark.inputs),
        "fraud_index": by_spark.fraud_index,
        "needs": by_spark.needs.to_json(),
    }


def _compared(rows: pa.Table, by_spark: ScoringModel, by_numpy: NumpyModel) -> tuple[str | None, float]:
    """How the scores differ, None when they do not; and the largest difference of two probabilities."""
    try:
        found = RowByRow(by_numpy.predict)(rows)
    except RowRefused as error:
        return f"no row could be made up that passes: {error}", 0.0
    for place in list(found.failed)[:_REFUSED_TRIED]:
        row = rows.slice(place, 1)
        if _refusal(by_spark, row) is None:
            return f"numpy refuses a row that Spark takes: {_shown(row)}", 0.0
    taken = rows.filter(pa.array([place not in found.failed for place in range(rows.num_rows)], pa.bool_()))
    if why := _refusal(by_spark, taken):
        return f"Spark refuses a row that numpy takes: {why}", 0.0
    spark, numpy = _scores(by_spark.predict(taken)), _scores(by_numpy.predict(taken))
    if not spark["scored"].any():
        return f"Spark itself scores none of the {rows.num_rows} rows that were tried", 0.0
    return _difference(taken, spark, numpy)


def _difference(rows: pa.Table, spark: Scores, numpy: Scores) -> tuple[str | None, float]:
    apart = np.abs(spark["probability"] - numpy["probability"]).max(axis=1)
    raw = np.abs(spark["rawPrediction"] - numpy["rawPrediction"])
    differing = {
        "which rows have scores": spark["scored"] != numpy["scored"],
        "the model's own prediction": spark["own_prediction"] != numpy["own_prediction"],
        "the probability": apart > TOLERANCE,
        "the raw prediction": (raw > TOLERANCE * np.maximum(1.0, np.abs(spark["rawPrediction"]))).any(axis=1),
    }
    for what, where in differing.items():
        if where.any():
            example = _shown(rows.slice(int(where.argmax()), 1))
            return f"{what} differs in {where.sum()} of {rows.num_rows} rows, as in {example}", float(
                apart.max()
            )
    return None, float(apart.max())


def _refusal(model: ScoringModel, rows: pa.Table) -> str | None:
    """Why Spark refuses a row of these; None when it takes all."""
    try:
        model.predict(rows)
    except (Py4JError, PySparkException) as error:
        if not blames_values(error):
            raise
        return sentence(str(error))
    return None


def _scores(found: pa.Table) -> Scores:
    """By row whether it has scores, and these; 0 where it has none."""
    scored = found[UNSCORABLE].is_null().to_numpy()
    scores = {"scored": scored, "own_prediction": found["own_prediction"].to_numpy() * scored}
    for name in ("probability", "rawPrediction"):
        lists = found[name].combine_chunks()
        if lists.null_count:
            scores[name] = np.zeros((len(scored), 2))
        else:
            scores[name] = np.where(scored[:, np.newaxis], lists.flatten().to_numpy().reshape(-1, 2), 0.0)
    return scores


def _shown(row: pa.Table) -> str:
    return str(row.to_pylist()[0])[:300]


def _asked(
    folder: Path, model: ScoringModel, columns: Sequence[Column], history: pa.Table | None
) -> pa.Table:
    """The rows that both are asked about: those that the model takes."""
    schema = arrow_schema(columns)
    made_up = pa.Table.from_pylist(list(_made_up(folder, model, columns)), schema)
    past = schema.empty_table()
    if history is not None:
        step = max(1, history.num_rows // HISTORY)
        past = history.select(schema.names).cast(schema).take(pa.array(range(0, history.num_rows, step)))
    rows = pa.concat_tables([made_up, past])
    return rows.filter(pa.array([model.needs.problem(row) is None for row in rows.to_pylist()], pa.bool_()))


def _made_up(folder: Path, model: ScoringModel, columns: Sequence[Column]) -> Iterator[Row]:
    """Rows of values that the model itself knows, of others, and of edges."""
    draw = random.Random(_SEED)
    words, figures = _known(folder)
    known = {column: sorted(values) for column, values in model.needs.categories.items()}
    yield from model.needs.probes(columns)
    for number in range(MADE_UP):
        row = {
            column.name: _value(draw, column, known.get(column.name) or words, figures) for column in columns
        }
        # A second half has one odd value each, of which Spark and numpy must make the same.
        if number % 2:
            odd = draw.choice([column for column in columns if column.name in model.inputs] or list(columns))
            row[odd.name] = _odd(draw, odd)
        yield row


def _value(draw: random.Random, column: Column, words: Sequence[str], figures: Sequence[float]) -> Any:
    if column.type is Type.STRING:
        return draw.choice(words) if words else ""
    figure = draw.choice(figures) if figures else 0.5
    if column.type is Type.DOUBLE:
        others = draw.gauss(0, 1), draw.gauss(0, 100), draw.random(), float(draw.randrange(5))
        return draw.choice((figure, *others))
    near = int(figure) + draw.randrange(-1, 2) if abs(figure) < _WHOLE else 0
    return draw.choice((near, draw.randrange(5), draw.randrange(100), draw.randrange(10_000)))


def _odd(draw: random.Random, column: Column) -> Any:
    if column.type is Type.STRING:
        return draw.choice((None, "", "a value that nobody knows"))
    edge = draw.choice((*_EDGES, None))
    if column.type is Type.DOUBLE:
        return draw.choice((edge, float("nan")))
    return None if edge is None or abs(edge) > _WHOLE else int(edge)


def _known(folder: Path) -> tuple[list[str], list[float]]:
    """The words and the numbers that the model's stages hold: labels, and where decisions change."""
    words, figures = set[str](), set[float]()
    for stage in stages_of(folder):
        for value in _leaves([stage.params, *_learnt(stage)]):
            if isinstance(value, str) and stage.kind == "StringIndexerModel":
                words.add(value)
            elif isinstance(value, float) and np.isfinite(value):
                figures.add(value)
    draw = random.Random(_SEED)
    return sorted(words)[:_SPELLED], draw.sample(sorted(figures), min(len(figures), _SPELLED))


def _learnt(stage: SavedStage) -> list[Row]:
    return stage.data() if (stage.folder / "data").is_dir() else []


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part)
    else:
        yield value
