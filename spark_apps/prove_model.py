"""`spark-submit` target: compares numpy's scores of a registered model with Spark's own `transform`."""

import sys

from streamweir_spark.registered import prove_model

if __name__ == "__main__":
    sys.exit(prove_model())
