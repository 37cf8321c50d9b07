"""How many executors a session asks for, and whether one is there."""

from types import SimpleNamespace
from typing import cast

import pytest
from pyspark.sql import SparkSession

from streamweir_spark.executors import asked_for, missing


@pytest.mark.parametrize(
    ("conf", "wanted"),
    [
        ({"spark.executor.instances": "3", "spark.cores.max": "2"}, 3),
        ({"spark.cores.max": "5", "spark.executor.cores": "2"}, 2),
        # Each takes all cores of its worker.
        ({"spark.cores.max": "5"}, 0),
        ({}, 0),
    ],
)
def test_what_is_asked_for(conf: dict[str, str], wanted: int) -> None:
    assert asked_for(conf) == wanted


@pytest.mark.parametrize(
    ("master", "there", "conf", "words"),
    [
        ("spark://h:1", 0, {"spark.executor.instances": "2"}, "2 of 2 executors"),
        ("spark://h:1", 0, {}, "executors"),
        ("spark://h:1", 1, {"spark.executor.instances": "2"}, ""),
        ("local[2]", 0, {}, ""),
    ],
)
def test_the_first_one_is_waited_for(master: str, there: int, conf: dict[str, str], words: str) -> None:
    counted = SimpleNamespace(size=lambda: 1 + there)
    java = SimpleNamespace(sc=lambda: SimpleNamespace(getExecutorMemoryStatus=lambda: counted))
    context = SimpleNamespace(
        master=master, _jsc=java, getConf=lambda: SimpleNamespace(getAll=lambda: conf.items())
    )
    assert missing(cast(SparkSession, SimpleNamespace(sparkContext=context))) == words
