"""The frames of `card_fraud`: from the core's scored rows to the model's frame and to `scored`."""

from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from streamweir.contracts.card_fraud.dataset import CLASS
from streamweir.contracts.card_fraud.results import IS_ALERT, MODEL_COLUMNS
from streamweir_spark.columns import from_core
from streamweir_spark.transform import PLACE


def model_frame(scored: DataFrame) -> DataFrame:
    """The columns that a model may use, typed, in the contract's order; then Class and each row's place."""
    return scored.select(*map(from_core, MODEL_COLUMNS), CLASS.name, *PLACE)


def with_alert(predictions: DataFrame, scored_at: datetime) -> DataFrame:
    """The model's output with the columns of `scored`; the probability comes as Spark's model made it."""
    reached = F.col("prediction") == 1
    return (
        predictions.withColumnRenamed("fraud_probability", "fraud_prob")
        .withColumn(IS_ALERT.name, reached)
        .withColumn("scored_at", F.lit(scored_at).cast("timestamp"))
    )
