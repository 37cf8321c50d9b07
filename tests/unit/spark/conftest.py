"""One small Spark session for all tests of this folder."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from infra.bootstrap import stamp
from streamweir.connections import SparkConnection
from streamweir.scorer.command import class_path, local_java_options, locate
from streamweir.variables import SPARK_CLASSES, SPARK_JARS
from streamweir_spark.session import local

MASTER = "local[2]"
CHECKOUT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """Two cores, no user interface, two shuffle partitions, UTC."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    tools = stamp.tools(CHECKOUT)
    at = locate(CHECKOUT, {SPARK_JARS: str(tools["spark_jars"]), SPARK_CLASSES: str(tools["spark_classes"])})
    session = (
        SparkSession.builder.master(MASTER)
        .appName("streamweir-tests")
        .config(map=local(SparkConnection(MASTER)))
        .config("spark.ui.enabled", "false")
        .config("spark.sql.codegen.wholeStage", "false")
        .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
        .config("spark.driver.memory", "1g")
        .config("spark.driver.extraJavaOptions", local_java_options(at.classes))
        .config("spark.driver.extraClassPath", class_path(at))
        .config("spark.default.parallelism", "2")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    yield session
    session.stop()
