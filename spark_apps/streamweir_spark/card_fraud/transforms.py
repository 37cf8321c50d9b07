"""The frames of `card_fraud`: from the core's scored rows to the model's frame and to `scored`."""

from pyspark.sql import DataFrame

from streamweir.contracts.card_fraud.dataset import CLASS
from streamweir.contracts.card_fraud.results import IS_ALERT, MODEL_COLUMNS
from streamweir_spark.columns import from_core
from streamweir_spark.transform import PLACE, SCORED_AT

_COLUMNS = (*map(from_core, MODEL_COLUMNS), CLASS.name, *PLACE, from_core(SCORED_AT))


def model_frame(scored: DataFrame) -> DataFrame:
    """The columns that a model may use, typed, in their order; then Class, the row's place, scored_at."""
    return scored.selectExpr(*_COLUMNS)


def with_alert(predictions: DataFrame) -> DataFrame:
    """The model's output with the columns of `scored`; probability and prediction come as Spark's model made
    them, and the run's rule decides about the alert."""
    return predictions.selectExpr(
        "* EXCEPT (prediction, own_prediction)",
        "fraud_probability AS fraud_prob",
        "own_prediction AS prediction",
        f"prediction = 1 AS {IS_ALERT.name}",
    )
