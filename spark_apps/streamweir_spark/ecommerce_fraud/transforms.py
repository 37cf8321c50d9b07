"""The frames of `ecommerce_fraud`: from the core's scored rows to the model's frame and to `predictions`."""

from datetime import datetime

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from streamweir.contracts.ecommerce_fraud.results import MODEL_COLUMNS
from streamweir_spark.columns import from_core
from streamweir_spark.transform import PLACE

_MODEL_NAMES = frozenset(column.name for column in MODEL_COLUMNS)
_PLACE = tuple(name for name in PLACE if name not in _MODEL_NAMES)


def model_frame(scored: DataFrame) -> DataFrame:
    """The columns that a model may use, typed, in the contract's order; then the place of each row."""
    return scored.select(*map(from_core, MODEL_COLUMNS), *_PLACE)


def with_time(predictions: DataFrame, scored_at: datetime) -> DataFrame:
    """The model's output with the wall time of the scoring."""
    moment: Expression = F.lit(scored_at).cast("timestamp")
    return predictions.withColumn("scored_at", moment)
