"""Where the servers are, as immutable values that cannot print their secrets.

Inside Airflow the hooks make these values from Connections; every other process reads them from its
environment with `from_env` and hands them on to a child process with `to_env`.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from streamweir.errors import BadConfiguration
from streamweir.variables import (
    CA_FILE,
    DATABASE_URL,
    KAFKA_BOOTSTRAP,
    KAFKA_SECURITY,
    SPARK_CONF,
    SPARK_MASTER,
    STORE_ACCESS_KEY,
    STORE_BUCKET_PREFIX,
    STORE_ENDPOINT,
    STORE_REGION,
    STORE_SECRET_KEY,
    STORE_SECURE,
    Variable,
)

SECRET_PROPERTY = "(?i)secret|password|token|access[.]?key|jaas|keystore[.]key"  # noqa: S105 - what a secret is called
"""Spark properties with such a name are shown to nobody: a regular expression for Java and Python."""


def authorities(env: Mapping[str, str] = os.environ) -> str:
    """The PEM file of those whom all clients trust, empty for those whom the system trusts.

    Raises BadConfiguration when there is no such file.
    """
    named = CA_FILE.of(env)
    if named and not Path(named).is_file():
        raise BadConfiguration(f"{CA_FILE} names {named}, and there is no such file here")
    return named


@dataclass(frozen=True)
class KafkaConnection:
    """A Kafka cluster: bootstrap servers and kafka-python's own security arguments.

    `security` holds for example `security_protocol`, `sasl_mechanism`, `sasl_plain_username`,
    `sasl_plain_password`, `ssl_cafile`; it is empty for the embedded broker.
    """

    bootstrap: str
    security: Mapping[str, str] = field(default_factory=dict, repr=False)

    def client_args(self) -> dict[str, object]:
        """Arguments for every kafka-python client."""
        return {"bootstrap_servers": self.bootstrap.split(","), **self.security}

    def to_env(self) -> dict[str, str]:
        """The environment from which a child process makes the same value."""
        return {KAFKA_BOOTSTRAP: self.bootstrap, KAFKA_SECURITY: json.dumps(dict(self.security))}

    def trusting(self, ca_file: str) -> "KafkaConnection":
        """The same; where it speaks TLS and names no authorities of its own, those in this file."""
        if not ca_file or "SSL" not in self.security.get("security_protocol", ""):
            return self
        return replace(self, security={"ssl_cafile": ca_file, **self.security})

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> "KafkaConnection":
        """Read the value from the environment; raises BadConfiguration when it is not there."""
        made = cls(_required(env, KAFKA_BOOTSTRAP), json.loads(KAFKA_SECURITY.of(env)))
        return made.trusting(authorities(env))


@dataclass(frozen=True)
class StoreConnection:
    """An S3-compatible object store and the prefix of Streamweir's bucket names in it.

    `endpoint` is `host:port` without a scheme; `secure` chooses https. `ca_file`: as `authorities` gives it.
    """

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    secure: bool = True
    region: str = STORE_REGION.default
    bucket_prefix: str = STORE_BUCKET_PREFIX.default
    ca_file: str = ""

    @property
    def url(self) -> str:
        """The endpoint with its scheme."""
        return f"{'https' if self.secure else 'http'}://{self.endpoint}"

    def to_env(self) -> dict[str, str]:
        """The environment from which a child process makes the same value."""
        return {
            STORE_ENDPOINT: self.endpoint,
            STORE_ACCESS_KEY: self.access_key,
            STORE_SECRET_KEY: self.secret_key,
            STORE_SECURE: "true" if self.secure else "false",
            STORE_REGION: self.region,
            STORE_BUCKET_PREFIX: self.bucket_prefix,
            CA_FILE: self.ca_file,
        }

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> "StoreConnection":
        """Read the value from the environment; raises BadConfiguration when it is not there."""
        return cls(
            endpoint=_required(env, STORE_ENDPOINT),
            access_key=_required(env, STORE_ACCESS_KEY),
            secret_key=_required(env, STORE_SECRET_KEY),
            secure=STORE_SECURE.of(env) == "true",
            region=STORE_REGION.of(env),
            bucket_prefix=STORE_BUCKET_PREFIX.of(env),
            ca_file=authorities(env),
        )


@dataclass(frozen=True)
class DatabaseConnection:
    """A PostgreSQL database and the account there, as a URL (`postgresql://user:password@host/name`)."""

    url: str = field(repr=False)

    def to_env(self) -> dict[str, str]:
        """The environment from which a child process makes the same value."""
        return {DATABASE_URL: self.url}

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> "DatabaseConnection":
        """Read the value from the environment; raises BadConfiguration when it is not there."""
        return cls(_required(env, DATABASE_URL))


_AUTHENTICATE, _SHARED_SECRET = "spark.authenticate", "spark.authenticate.secret"


@dataclass(frozen=True)
class SparkConnection:
    """A Spark master URL and extra Spark properties for `spark-submit`.

    Raises BadConfiguration when a standalone cluster is not told how to keep what travels to it secret:
    executors get the secrets of the store and of Kafka from the driver.
    """

    master: str = SPARK_MASTER.default
    conf: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.master.startswith("spark://") and not (self.in_plain or _SHARED_SECRET in self.conf):
            raise BadConfiguration(
                f"Spark at {self.master} would get secrets over the network in plain text: give the "
                f"connection {_SHARED_SECRET}, which master and workers share, or say {_AUTHENTICATE}=false "
                "to allow it"
            )

    @property
    def in_plain(self) -> bool:
        """Whether driver and executors are to speak in plain text, with whoever answers."""
        return self.conf.get(_AUTHENTICATE, "").lower() == "false"

    @property
    def shown(self) -> dict[str, str]:
        """The properties that everybody may see, such as those in a command line."""
        return {name: value for name, value in self.conf.items() if not re.search(SECRET_PROPERTY, name)}

    def to_env(self) -> dict[str, str]:
        """The environment from which a child process makes the same value."""
        return {SPARK_MASTER: self.master, SPARK_CONF: json.dumps(dict(self.conf))}

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> "SparkConnection":
        """Read the value from the environment; a local master when nothing is said."""
        return cls(SPARK_MASTER.of(env), json.loads(SPARK_CONF.of(env)))


def _required(env: Mapping[str, str], name: Variable) -> str:
    value = name.of(env)
    if not value:
        raise BadConfiguration(
            f"{name} is not set: run `make up` and `source var/env`, or set it to your own server"
        )
    return value
