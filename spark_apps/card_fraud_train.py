"""`spark-submit` target: trains a fraud model for `card_fraud`."""

import sys

from streamweir.contracts.card_fraud import MODEL_COLUMNS, PIPELINE
from streamweir_spark.card_fraud.train import FILES, examples
from streamweir_spark.training.job import Training, run


def train(training: Training) -> None:
    """Read the transactions, select a model, publish it; few frauds are no reason to give up."""
    history = examples(training.files(FILES))
    parts, selected = training.select(history, sparse_ok=True)
    training.publish(parts, selected)


if __name__ == "__main__":
    sys.exit(run(PIPELINE, MODEL_COLUMNS, "UTC", train))
