"""The executors of a cluster: who waits for the first of them, which may take hours, says for how many."""

from collections.abc import Mapping

from pyspark.sql import SparkSession


def missing(spark: SparkSession) -> str:
    """What nothing can be worked on without, in words; empty when there is an executor."""
    context = spark.sparkContext
    # The driver is counted, too, and alone where it is its own executor.
    others: int = context._jsc.sc().getExecutorMemoryStatus().size() - 1
    if others or (context.master or "").startswith("local"):
        return ""
    wanted = asked_for(dict(context.getConf().getAll()))
    return f"{wanted} of {wanted} executors" if wanted else "executors"


def asked_for(conf: Mapping[str, str]) -> int:
    """How many executors the session asks for; 0 where the cluster decides."""
    if instances := conf.get("spark.executor.instances"):
        return int(instances)
    cores, each = conf.get("spark.cores.max"), conf.get("spark.executor.cores")
    return int(cores) // int(each) if cores and each else 0
