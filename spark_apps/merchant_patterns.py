"""`spark-submit` target: looks for the patterns of `merchant_patterns` after each chunk."""

import sys

from streamweir.contracts.merchant_patterns import PIPELINE
from streamweir_spark.merchant_patterns.query import prepare
from streamweir_spark.merchant_patterns.reader import READER
from streamweir_spark.run import run
from streamweir_spark.scorer import Scorer


def score(scorer: Scorer) -> None:
    """Read the chunks, transform them into detections, write table, topic and files."""
    domain, results = prepare(scorer)
    messages = scorer.read()
    outputs = scorer.transform(messages, READER, domain)
    scorer.write(outputs, results, files=results)


if __name__ == "__main__":
    sys.exit(run(PIPELINE, score))
