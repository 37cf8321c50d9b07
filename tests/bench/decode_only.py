"""`spark-submit` target: reads a stream and decodes it, nothing more. The scorer's speed is held against it.

Prints a JSON line per micro-batch: messages and seconds.
"""

import json
import sys
from typing import Any

from pyspark.sql.streaming.listener import StreamingQueryListener

from streamweir.connections import KafkaConnection, SparkConnection, StoreConnection
from streamweir.contracts.ecommerce_fraud import PIPELINE, SESSION_TIME_ZONE
from streamweir.contracts.streams import Stream
from streamweir_spark.ecommerce_fraud.reader import READER
from streamweir_spark.session import open_session, spark_conf
from streamweir_spark.source import cut_into_parts, read_messages


class Teller(StreamingQueryListener):
    """Tells what each micro-batch took."""

    def onQueryStarted(self, event: Any) -> None:
        """Nothing to tell yet."""

    def onQueryProgress(self, event: Any) -> None:
        """Tell it."""
        progress = event.progress
        if progress.numInputRows:
            seconds = progress.durationMs["triggerExecution"] / 1000
            line = json.dumps({"messages": progress.numInputRows, "seconds": seconds})
            sys.stdout.write(f"{line}\n")

    def onQueryIdle(self, event: Any) -> None:
        """Nothing to tell."""

    def onQueryTerminated(self, event: Any) -> None:
        """Nothing to tell."""


def main(stream_id: str, max_messages: int, checkpoint: str) -> None:
    """Decode all that the stream holds now."""
    stream = Stream(PIPELINE.name, stream_id)
    spark = open_session(
        spark_conf("decode only", SESSION_TIME_ZONE, SparkConnection.from_env(), StoreConnection.from_env())
    )
    spark.streams.addListener(Teller())
    messages = read_messages(spark, KafkaConnection.from_env(), stream, PIPELINE, max_messages)
    query = (
        cut_into_parts(messages, READER, PIPELINE.shards)
        .writeStream.format("noop")
        .option("checkpointLocation", checkpoint)
    )
    query.trigger(availableNow=True).start().awaitTermination()
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
