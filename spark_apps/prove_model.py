"""`spark-submit` target: compares numpy's scores of a registered model with Spark's own `transform`."""

import sys

from streamweir_spark.prove_model import run

if __name__ == "__main__":
    sys.exit(run())
