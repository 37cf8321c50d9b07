"""`spark-submit` target: scores a run's rows a second time, as Spark's own `transform` does in a notebook."""

import sys

from streamweir_spark.registered import score_again

if __name__ == "__main__":
    sys.exit(score_again())
