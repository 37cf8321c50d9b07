"""Examples through a model, as numpy arrays."""

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from streamweir.models.metrics import Numbers
from streamweir_spark.model import ScoringModel
from streamweir_spark.training.examples import LABEL, PLACE, Examples


def frame_of(spark: SparkSession, examples: Examples) -> DataFrame:
    """The inputs and the label of the pipeline's own models."""
    return spark.createDataFrame(examples.rows.select([*examples.numbers, *examples.categories, LABEL]))


def fraud_probabilities(spark: SparkSession, model: ScoringModel, examples: Examples) -> Numbers:
    """The probability of fraud of each row, in the rows' order; 0 for a row that the model refuses."""
    found = np.zeros(len(examples.rows))
    taken = pa.array([model.needs.problem(row) is None for row in examples.rows.to_pylist()], pa.bool_())
    places = pa.array(range(len(found)), pa.int64())
    rows = examples.rows.select(model.inputs).append_column(PLACE, places).filter(taken)
    if len(rows):
        scored = model.transform(spark.createDataFrame(rows)).select(PLACE, "fraud_probability").toArrow()
        found[scored[PLACE].to_numpy()] = scored["fraud_probability"].to_numpy()
    return found
