"""A model version made ready for a stream: it scores every row it is given, or says beforehand which it would not."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from streamweir.contracts.tables import Column
from streamweir.models.card import Card
from streamweir_spark.needs import ModelNeeds


@dataclass(frozen=True)
class ScoringModel:
    """A loaded version. `inputs` are the columns it reads; `needs` is what a row must fulfil to be scored."""

    version: str
    threshold: float
    needs: ModelNeeds
    inputs: tuple[str, ...]

    def transform(self, frame: DataFrame) -> DataFrame:
        """All columns of the frame, then `rawPrediction` and `probability` (arrays of doubles; rawPrediction is
        null when the model makes none), `fraud_probability` (double), `prediction` (long, 1 at the threshold or
        above) and `model_version`. As many rows as the frame has, provided that all fulfil `needs`.
        """
        raise NotImplementedError


def load(spark: SparkSession, location: str, card: Card, columns: Sequence[Column]) -> ScoringModel:
    """Load the model at `location` (a folder that Registry.fetch made, or any address that Spark reads).

    `columns` are the columns that the stream will offer, e.g. MODEL_COLUMNS.
    Raises ModelUnusable with the missing input, or the stage that cannot be used and why.
    """
    raise NotImplementedError
