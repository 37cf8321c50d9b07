"""`spark-submit` target: two drivers on one checkpoint, both past their look whether a file is there.

Both write the file that the argument names; what became of each is one line on the standard output.
"""

import sys
from typing import Any

from py4j.protocol import Py4JJavaError

from streamweir.connections import SparkConnection, StoreConnection
from streamweir_spark.session import open_session, spark_conf


def main(file: str) -> None:
    """Write "first" and "second" to one new file."""
    with open_session(
        spark_conf("two drivers", "UTC", SparkConnection.from_env(), StoreConnection.from_env())
    ) as spark:
        java: Any = spark._jvm
        path = java.org.apache.hadoop.fs.Path(file)
        conf = spark._jsparkSession.sessionState().newHadoopConf()
        managers = java.org.apache.spark.sql.execution.streaming.checkpointing.CheckpointFileManager
        manager = managers.create(path.getParent(), conf)
        streams = {word: manager.createAtomic(path, False) for word in ("first", "second")}
        for word, stream in streams.items():
            stream.write(word.encode())
            try:
                stream.close()
                sys.stdout.write(f"{word}: written\n")
            except Py4JJavaError as error:
                sys.stdout.write(f"{word}: {error.java_exception.getClass().getSimpleName()}\n")


if __name__ == "__main__":
    main(sys.argv[1])
