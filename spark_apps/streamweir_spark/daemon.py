"""The parent of a local driver's Python workers: it imports once what each of them would import.

Spark's own daemon imports nothing before it forks, so that each worker spends more than a second on pandas,
pyarrow and the core, and holds a copy of them: see ADR 0005.
"""

import gc

import pyspark.worker  # noqa: F401
from pyspark.daemon import manager

from streamweir_spark import source, transform  # noqa: F401

if __name__ == "__main__":
    # What the collector does not touch stays shared with the workers.
    gc.freeze()
    manager()
