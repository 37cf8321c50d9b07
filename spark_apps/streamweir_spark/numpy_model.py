"""A registered model that numpy evaluates: its scores as `ScoringModel` gives them, without Spark."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from streamweir.contracts.rejected import BY_MODEL
from streamweir.models.card import Card
from streamweir_spark.columns import UNSCORABLE
from streamweir_spark.json_rows import double_text
from streamweir_spark.needs import ModelNeeds
from streamweir_spark.numpy_ml.evaluator import Evaluator, load
from streamweir_spark.numpy_ml.stages import Numbers

_LONGEST = 200


@dataclass(frozen=True)
class NumpyModel:
    """A version and how it decides; `threshold` and `fraud_index` as `ScoringModel` has them.

    inputs: the columns that the model reads.
    """

    version: str
    threshold: float | None
    needs: ModelNeeds
    inputs: tuple[str, ...]
    fraud_index: int
    evaluator: Evaluator

    def predict(self, rows: pa.Table) -> pa.Table:
        """All columns of the rows, then what `ScoringModel.transform` adds. Raises RowRefused."""
        found = self.evaluator(rows.select(self.inputs))
        fraud = found.probability[self.fraud_index]
        own = found.prediction == self.fraud_index
        decided = own if self.threshold is None else fraud >= self.threshold
        raw = pa.nulls(rows.num_rows, pa.list_(pa.float64())) if found.raw is None else _lists(found.raw)
        made: dict[str, Any] = {
            "rawPrediction": raw,
            "probability": _lists(found.probability),
            "fraud_probability": pa.array(fraud),
            "prediction": pa.array(decided.astype(np.int64)),
            "own_prediction": pa.array(own.astype(np.int64)),
            "model_version": pa.repeat(self.version, rows.num_rows),
            UNSCORABLE: _unscorable({"probability": found.probability, "raw prediction": found.raw}),
        }
        return pa.table({**dict(zip(rows.column_names, rows.columns, strict=True)), **made})


def proven(folder: Path, card: Card, threshold: float | None) -> NumpyModel:
    """The model in a folder that Registry.fetch made, as its card's proof describes it."""
    proof: Mapping[str, Any] = card.numpy or {}
    return NumpyModel(
        version=card.version,
        threshold=threshold,
        needs=ModelNeeds.from_json(proof["needs"]),
        inputs=tuple(proof["inputs"]),
        fraud_index=proof["fraud_index"],
        evaluator=load(folder, proof["stages"]),
    )


def _lists(scores: Numbers) -> pa.Array:
    classes, rows = scores.shape
    return pa.ListArray.from_arrays(
        np.arange(0, classes * rows + 1, classes, dtype=np.int32), np.ascontiguousarray(scores.T).ravel()
    )


def _unscorable(scores: Mapping[str, Numbers | None]) -> pa.Array:
    """The same sentences as Spark's way says."""
    there = {name: values for name, values in scores.items() if values is not None}
    said: list[str | None] = [None] * next(values.shape[1] for values in there.values())
    for name, values in reversed(there.items()):
        for row in np.flatnonzero(~np.isfinite(values).all(axis=0)).tolist():
            shown = f"{BY_MODEL}'s {name} is [{', '.join(map(double_text, values[:, row].tolist()))}]"
            said[row] = f"{shown[:_LONGEST]}: not a finite number"
    return pa.array(said, pa.string())
