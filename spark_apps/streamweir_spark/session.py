"""The Spark session: its settings as code, the secrets among them from the environment only."""

from pyspark import SparkConf
from pyspark.sql import SparkSession

from streamweir.connections import SECRET_PROPERTY, SparkConnection, StoreConnection
from streamweir.scorer.command import JOINED

_LOCAL = "local"

_ENGINE = {
    # As many as a stream has shards by default; coalescing or splitting them would only cost planning.
    "spark.sql.shuffle.partitions": "4",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    # A message may hold one row, or 900 kB of rubbish: batches are cut by bytes as well.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "10000",
    "spark.sql.execution.arrow.maxBytesPerBatch": str(16 * 1024 * 1024),
    # Scored rows come back to Spark as Arrow batches, for compiled code. As a local relation the optimizer
    # would interpret the whole model over them, row by row.
    "spark.sql.execution.arrow.localRelationThreshold": "0",
    # One PUT per checkpoint file instead of a PUT and a copy, and a condition where it must be new.
    "spark.sql.streaming.checkpointFileManagerClass": "streamweir.ConditionalCheckpointFileManager",
    "spark.sql.streaming.checkpoint.fileChecksum.enabled": "false",
    "spark.sql.streaming.minBatchesToRetain": "10",
    "spark.sql.streaming.numRecentProgressUpdates": "5",
    # Milliseconds. A query that goes on from a checkpoint and has nothing to read says so after so long.
    "spark.sql.streaming.noDataProgressEventInterval": "1000",
}
_QUIET = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "WARN",
    # What the driver remembers of past jobs for a page that nobody sees.
    "spark.ui.retainedJobs": "10",
    "spark.ui.retainedStages": "10",
    "spark.ui.retainedTasks": "100",
    "spark.sql.ui.retainedExecutions": "5",
    "spark.redaction.regex": SECRET_PROPERTY,
}


def spark_conf(name: str, time_zone: str, spark: SparkConnection, store: StoreConnection) -> SparkConf:
    """All settings of a session; the connection's own properties come last and so have the last word.

    Those that were joined with ours in the command line stay as they are there.
    """
    conf = SparkConf()
    own = {name: value for name, value in spark.conf.items() if name not in JOINED}
    conf.setAppName(name)
    conf.setMaster(spark.master)
    conf.set("spark.sql.session.timeZone", time_zone)
    for settings in (_ENGINE, _QUIET, local(spark), _network(spark), _s3a(store), own):
        conf.setAll(list(settings.items()))
    return conf


def open_session(conf: SparkConf) -> SparkSession:
    """Start Spark, or take the session that runs."""
    return SparkSession.builder.config(conf=conf).getOrCreate()


def local(spark: SparkConnection) -> dict[str, str]:
    """What holds where driver and executors are one process; nothing for another master."""
    if not spark.master.startswith(_LOCAL):
        return {}
    return {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        # The driver takes all messages of a micro-batch; how many they may be is said by their number.
        "spark.driver.maxResultSize": "0",
    }


def _network(spark: SparkConnection) -> dict[str, str]:
    """Whoever speaks with driver or executors must know the secret, and what they say is encrypted."""
    if spark.master.startswith(_LOCAL) or spark.in_plain:
        return {}
    return {"spark.authenticate": "true", "spark.network.crypto.enabled": "true"}


def _s3a(store: StoreConnection) -> dict[str, str]:
    settings = {
        "endpoint": store.url,
        "endpoint.region": store.region,
        "access.key": store.access_key,
        "secret.key": store.secret_key,
        "aws.credentials.provider": "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider",
        "path.style.access": "true",
        "connection.ssl.enabled": str(store.secure).lower(),
        "change.detection.mode": "none",
        # The default reader wants a jar that nothing else needs.
        "input.stream.type": "classic",
        "fast.upload.buffer": "array",
        "create.performance": "true",
        # A store that is away for some seconds is waited for; one that is away for longer ends the driver,
        # and its keeper starts it again.
        "connection.establish.timeout": "15s",
        "connection.timeout": "30s",
        "attempts.maximum": "5",
        "retry.limit": "5",
        "retry.interval": "500ms",
    }
    return {f"spark.hadoop.fs.s3a.{name}": value for name, value in settings.items()}
