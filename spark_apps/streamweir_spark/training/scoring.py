"""Examples through a model, as numpy arrays."""

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from streamweir_spark.model import ScoringModel
from streamweir_spark.training.examples import PLACE, Examples
from streamweir_spark.training.metrics import Numbers


def frame_of(spark: SparkSession, examples: Examples) -> DataFrame:
    """The examples as a frame."""
    return spark.createDataFrame(examples.rows)


def fraud_probabilities(spark: SparkSession, model: ScoringModel, examples: Examples) -> Numbers:
    """The probability of fraud of each row, in the rows' order; 0 for a row that the model refuses."""
    found = np.zeros(len(examples.rows))
    rows = examples.rows.append_column(PLACE, pa.array(range(len(found)), pa.int64()))
    rows = rows.filter(pa.array([model.needs.problem(row) is None for row in examples.rows.to_pylist()]))
    if len(rows):
        scored = model.transform(spark.createDataFrame(rows)).select(PLACE, "fraud_probability").toArrow()
        found[scored[PLACE].to_numpy()] = scored["fraud_probability"].to_numpy()
    return found
