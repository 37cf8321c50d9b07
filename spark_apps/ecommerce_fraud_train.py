"""`spark-submit` target: trains a fraud model for `ecommerce_fraud`."""

import sys

from streamweir.contracts.ecommerce_fraud import MODEL_COLUMNS, PIPELINE, SESSION_TIME_ZONE
from streamweir_spark.ecommerce_fraud.train import FILES, examples
from streamweir_spark.training.job import Training, run


def train(training: Training) -> None:
    """Read the history, select a model, publish it."""
    history = examples(training.files(FILES))
    parts, selected = training.select(history)
    training.publish(parts, selected)


if __name__ == "__main__":
    sys.exit(run(PIPELINE, MODEL_COLUMNS, SESSION_TIME_ZONE, train))
