"""The frames of `ecommerce_fraud`: from the core's scored rows to the model's frame."""

from pyspark.sql import DataFrame

from streamweir.contracts.ecommerce_fraud.results import MODEL_COLUMNS
from streamweir_spark.columns import from_core
from streamweir_spark.transform import PLACE, SCORED_AT

_MODEL_NAMES = frozenset(column.name for column in MODEL_COLUMNS)
_PLACE = tuple(name for name in PLACE if name not in _MODEL_NAMES)
_COLUMNS = (*map(from_core, MODEL_COLUMNS), *_PLACE, from_core(SCORED_AT))


def model_frame(scored: DataFrame) -> DataFrame:
    """The columns that a model may use, typed, in their order; then the place of each row and scored_at."""
    return scored.selectExpr(*_COLUMNS)
