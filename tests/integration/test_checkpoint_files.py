"""Spark's files in a checkpoint, on the real store."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

from streamweir.connections import SparkConnection, StoreConnection
from streamweir.contracts.streams import Stream
from streamweir.objectstore import ObjectStore
from streamweir.scorer import package
from streamweir.scorer.command import locate, spark_submit
from tests.support import two_checkpoint_writers


def test_a_checkpoint_file_of_another_driver_is_left_as_it_is(
    scorer_store_connection: StoreConnection, store: ObjectStore, tmp_path: Path
) -> None:
    """The driver that comes second learns it from the store, however long ago it looked."""
    file = Stream("ecommerce_fraud", "two-drivers").checkpoint / "offsets/7"
    app = Path(two_checkpoint_writers.__file__)
    at = replace(locate(package.build(tmp_path / "code"), os.environ), apps=app.parent)
    spark = SparkConnection("local[1]")
    argv = spark_submit(app.stem, [store.uri(file)], name="two drivers", spark=spark, at=at)
    env = {**os.environ, **spark.to_env(), **scorer_store_connection.to_env()}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert done.stdout.split("\n")[:2] == ["first: written", "second: FileAlreadyExistsException"], (
        done.stderr
    )
    assert store.get(file) == b"first"
    store.delete(file)
