"""`spark-submit` target: sums up the stream of `clickstream_anomaly` in windows."""

import sys

from streamweir.contracts.clickstream_anomaly import PIPELINE
from streamweir_spark.clickstream_anomaly.query import prepare
from streamweir_spark.clickstream_anomaly.reader import READER
from streamweir_spark.run import run
from streamweir_spark.scorer import Scorer


def score(scorer: Scorer) -> None:
    """Read the messages, transform them into windows, write windows and anomalies."""
    domain, results = prepare(scorer)
    messages = scorer.read()
    outputs = scorer.transform(messages, READER, domain)
    scorer.write(outputs, results)


if __name__ == "__main__":
    sys.exit(run(PIPELINE, score))
