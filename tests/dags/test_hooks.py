"""Airflow Connections as connection values."""

import json
from pathlib import Path

import pytest
from airflow.sdk import Connection

from streamweir.connections import KafkaConnection, StoreConnection
from streamweir.errors import BadConfiguration
from streamweir.variables import CA_FILE
from streamweir_airflow.hooks import kafka_connection, spark_connection, store_connection


def test_the_embedded_brokers_connection() -> None:
    found = kafka_connection(Connection(conn_id="k", conn_type="kafka", host="127.0.0.1:19092"))
    assert found.client_args() == {"bootstrap_servers": ["127.0.0.1:19092"]}


def test_a_secured_cluster_elsewhere() -> None:
    extra = json.dumps(
        {"security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512", "ssl_cafile": "/ca"}
    )
    found = kafka_connection(
        Connection(conn_id="k", host="a:9093,b:9093", login="me", password="hidden", extra=extra)
    )
    assert found.client_args() == {
        "bootstrap_servers": ["a:9093", "b:9093"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "ssl_cafile": "/ca",
        "sasl_plain_username": "me",
        "sasl_plain_password": "hidden",
    }
    assert "hidden" not in repr(found)


def test_one_setting_says_whom_kafka_and_store_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = tmp_path / "ca.pem"
    everybody.touch()
    monkeypatch.setenv(CA_FILE, str(everybody))
    secured, own = {"security_protocol": "SSL"}, {"security_protocol": "SSL", "ssl_cafile": "/own"}
    for extra, trusted in ({}, None), (secured, str(everybody)), (own, "/own"):
        kafka = kafka_connection(Connection(conn_id="k", host="a:9093", extra=json.dumps(extra)))
        assert kafka.security.get("ssl_cafile") == trusted
        assert KafkaConnection.from_env({**kafka.to_env(), CA_FILE: str(everybody)}) == kafka
    store = store_connection(Connection(conn_id="s", host="h", login="me", password="hidden"))
    assert store.ca_file == str(everybody)
    assert StoreConnection.from_env(store.to_env()) == store


def test_the_embedded_object_store() -> None:
    extra = json.dumps({"secure": False, "region": "r", "bucket_prefix": "p-"})
    found = store_connection(
        Connection(conn_id="s", host="127.0.0.1", port=19000, login="me", password="hidden", extra=extra)
    )
    assert (found.url, found.region, found.bucket_prefix) == ("http://127.0.0.1:19000", "r", "p-")
    assert "hidden" not in repr(found)


def test_an_object_store_elsewhere_is_reached_by_https() -> None:
    found = store_connection(Connection(conn_id="s", host="s3.example.org", login="me", password="hidden"))
    assert found.url == "https://s3.example.org"


def test_a_schema_of_http_turns_tls_off() -> None:
    found = store_connection(Connection(conn_id="s", host="h", schema="http", login="me", password="hidden"))
    assert not found.secure


@pytest.mark.parametrize(
    ("host", "port", "master"),
    [
        ("local[2]", None, "local[2]"),
        ("spark://h", 7077, "spark://h:7077"),
        ("k8s://https://h:6443", None, "k8s://https://h:6443"),
        (None, None, "local[4]"),
    ],
)
def test_spark_masters(host: str | None, port: int | None, master: str) -> None:
    conf = {"spark.driver.memory": "2g", "spark.authenticate.secret": "shared"}
    found = spark_connection(Connection(conn_id="s", host=host, port=port, extra=json.dumps(conf)))
    assert (found.master, found.conf) == (master, conf)


def test_a_cluster_gets_secrets_in_plain_text_only_when_that_is_said() -> None:
    cluster = {"conn_id": "s", "host": "spark://h", "port": 7077}
    with pytest.raises(BadConfiguration, match=r"in plain text: give the connection spark\.auth"):
        spark_connection(Connection(**cluster))
    allowed = spark_connection(Connection(**cluster, extra='{"spark.authenticate": false}'))
    assert allowed.in_plain


@pytest.mark.parametrize(
    ("connection", "words"),
    [
        (Connection(conn_id="minio_default", host="h", login="me"), "minio_default needs a login"),
        (Connection(conn_id="minio_default", login="me", password="hidden"), "minio_default needs a host"),
        (
            Connection(conn_id="minio_default", host="h", login="me", password="p", extra="[1]"),
            "not a JSON object",
        ),
    ],
)
def test_a_connection_that_lacks_something_is_named(connection: Connection, words: str) -> None:
    with pytest.raises(BadConfiguration, match=words):
        store_connection(connection)
