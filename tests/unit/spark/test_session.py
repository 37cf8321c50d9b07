"""What a session is told before Spark starts."""

import pytest

from streamweir.connections import SparkConnection, StoreConnection
from streamweir_spark.session import spark_conf

STORE = StoreConnection("store:9000", "scorer", "store-secret")
SECRET = {"spark.authenticate.secret": "shared"}


@pytest.mark.parametrize(
    ("spark", "encrypted"),
    [
        (SparkConnection("spark://h:7077", SECRET), "true"),
        (SparkConnection("k8s://https://h:6443"), "true"),
        (SparkConnection("spark://h:7077", {"spark.authenticate": "false"}), None),
        (SparkConnection("local[2]"), None),
    ],
)
def test_what_executors_are_told_is_encrypted_unless_that_is_given_up(
    spark: SparkConnection, encrypted: str | None
) -> None:
    conf = spark_conf("a session", "UTC", spark, STORE)
    assert conf.get("spark.network.crypto.enabled") == encrypted
    assert conf.get("spark.hadoop.fs.s3a.secret.key") == "store-secret"
