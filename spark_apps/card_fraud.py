"""`spark-submit` target: scores the stream of `card_fraud`."""

import sys

from streamweir.contracts.card_fraud import PIPELINE
from streamweir_spark.card_fraud.query import prepare
from streamweir_spark.card_fraud.reader import READER
from streamweir_spark.run import run
from streamweir_spark.scorer import Scorer


def score(scorer: Scorer) -> None:
    """Read the messages, transform them into scored rows, write them and their alerts."""
    domain, results = prepare(scorer)
    messages = scorer.read()
    outputs = scorer.transform(messages, READER, domain)
    scorer.write(outputs, results)


if __name__ == "__main__":
    sys.exit(run(PIPELINE, score))
