"""Airflow Connections as Streamweir's connection values, and the object store opened with one of them.

kafka_default: host `h1:9092,h2:9092` (or host and port); login and password become SASL's; extra holds any
other argument of kafka-python (`security_protocol`, `sasl_mechanism`, `ssl_cafile`, ...).
minio_default, minio_scorer: host and port, login (access key), password (secret key); extra: `secure`
(default true), `region`, `bucket_prefix`.
airflow_db: extra holds `sql_alchemy_conn`, the URL of Airflow's own database.
spark_default: host is the master (`local[4]`, `spark://h`, `k8s://...`), with or without a port; extra holds
Spark properties.
"""

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook, Connection

from streamweir.broker.clients import keep_quiet
from streamweir.connections import (
    KafkaConnection,
    SparkConnection,
    StoreConnection,
    authorities,
)
from streamweir.errors import BadConfiguration
from streamweir.variables import SPARK_MASTER, STORE_BUCKET_PREFIX, STORE_REGION

if TYPE_CHECKING:
    from streamweir.objectstore import ObjectStore

KAFKA = "kafka_default"
STORE = "minio_default"
SCORER_STORE = "minio_scorer"
SPARK = "spark_default"
DATABASE = "airflow_db"


class KafkaHook(BaseHook):
    """Knows where Kafka is."""

    conn_type = "kafka"
    hook_name = "Streamweir Kafka"

    def __init__(self, conn_id: str = KAFKA) -> None:
        super().__init__()
        self.conn_id = conn_id

    @cached_property
    def connection(self) -> KafkaConnection:
        """The cluster; raises BadConfiguration when the Airflow Connection lacks a host."""
        keep_quiet()
        return kafka_connection(self.get_connection(self.conn_id))


class StoreHook(BaseHook):
    """Opens the object store with one of its accounts."""

    conn_type = "aws"
    hook_name = "Streamweir object store"

    def __init__(self, conn_id: str = STORE) -> None:
        super().__init__()
        self.conn_id = conn_id

    @cached_property
    def connection(self) -> StoreConnection:
        """The store and the account; raises BadConfiguration when the Connection lacks one of them."""
        return store_connection(self.get_connection(self.conn_id))

    @cached_property
    def store(self) -> "ObjectStore":
        """The store, opened."""
        return _opened(self.connection)

    async def astore(self) -> "ObjectStore":
        """The store, opened from within a trigger, where only the asynchronous look-up is allowed."""
        return _opened(store_connection(await self.aget_connection(self.conn_id)))


class SparkHook(BaseHook):
    """Knows the Spark master."""

    conn_type = "spark"
    hook_name = "Streamweir Spark"

    def __init__(self, conn_id: str = SPARK) -> None:
        super().__init__()
        self.conn_id = conn_id

    @cached_property
    def connection(self) -> SparkConnection:
        """The master and its properties."""
        return spark_connection(self.get_connection(self.conn_id))


class DatabaseHook(BaseHook):
    """Knows where Airflow's own database is."""

    conn_type = "generic"
    hook_name = "Streamweir's Airflow database"

    def __init__(self, conn_id: str = DATABASE) -> None:
        super().__init__()
        self.conn_id = conn_id

    @cached_property
    def url(self) -> str:
        """Its SQLAlchemy URL; raises BadConfiguration when the Connection does not say it."""
        found = _extra(self.get_connection(self.conn_id)).get("sql_alchemy_conn")
        if not isinstance(found, str):
            raise BadConfiguration(
                f"the extra field of Connection {self.conn_id} needs `sql_alchemy_conn`, the URL of "
                "Airflow's database, as in airflow.cfg"
            )
        return found


def kafka_connection(found: Connection) -> KafkaConnection:
    """A Kafka cluster from its Airflow Connection."""
    security = _extra(found)
    if found.login:
        security["sasl_plain_username"] = found.login
        security["sasl_plain_password"] = found.password or ""
    return KafkaConnection(_address(found), security).trusting(authorities())


def store_connection(found: Connection) -> StoreConnection:
    """An object store and an account from its Airflow Connection; https unless it says otherwise."""
    if not (found.login and found.password):
        raise BadConfiguration(
            f"Connection {found.conn_id} needs a login (access key) and a password (secret key)"
        )
    extra = _extra(found)
    return StoreConnection(
        endpoint=_address(found),
        access_key=found.login,
        secret_key=found.password,
        secure=str(extra.get("secure", found.schema != "http")).lower() == "true",
        region=extra.get("region", STORE_REGION.default),
        bucket_prefix=extra.get("bucket_prefix", STORE_BUCKET_PREFIX.default),
        ca_file=authorities(),
    )


def spark_connection(found: Connection) -> SparkConnection:
    """A Spark master from its Airflow Connection; a local one when it names none."""
    master = _address(found) if found.host else SPARK_MASTER.default
    return SparkConnection(master, {name: str(value) for name, value in _extra(found).items()})


def _address(found: Connection) -> str:
    if not found.host:
        raise BadConfiguration(f"Connection {found.conn_id} needs a host")
    return f"{found.host}:{found.port}" if found.port else found.host


def _extra(found: Connection) -> dict[str, Any]:
    # Not `extra_dejson`: that one may not be called from a trigger's event loop.
    extra = json.loads(found.extra or "{}")
    if not isinstance(extra, dict):
        raise BadConfiguration(f"the extra field of Connection {found.conn_id} is not a JSON object")
    return extra


def _opened(connection: StoreConnection) -> "ObjectStore":
    from streamweir.objectstore import ObjectStore

    return ObjectStore(connection)
