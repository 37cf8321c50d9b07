"""The environments of the stack's processes and of a user's shell, and the connections behind them."""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from infra.layout import Layout, write_private
from infra.secrets import Secrets
from streamweir.connections import KafkaConnection, SparkConnection, StoreConnection
from streamweir.settings import Settings
from streamweir.variables import AIRFLOW_URL, PREFIX, SPARK_CLASSES, SPARK_JARS, STACK, WORK

_FROM_USER = ("HOME", "LANG", "LC_ALL", "LOGNAME", "SSL_CERT_FILE", "TMPDIR", "USER")
# A shell that sourced var/env must not hand the embedded accounts' secrets to every service.
_NOT_PASSED_ON = (f"{PREFIX}KAFKA_", f"{PREFIX}STORE_")


def kafka_connection(settings: Settings) -> KafkaConnection:
    """The embedded broker."""
    return KafkaConnection(f"127.0.0.1:{settings.kafka_port}")


def store_connection(settings: Settings, user: str, password: str) -> StoreConnection:
    """The embedded object store, for one of its accounts."""
    return StoreConnection(
        endpoint=f"127.0.0.1:{settings.minio_port}",
        access_key=user,
        secret_key=password,
        secure=False,
        region=settings.store_region,
        bucket_prefix=settings.store_bucket_prefix,
    )


def tasks_store(settings: Settings, secrets: Secrets) -> StoreConnection:
    """The object store for Airflow's tasks and for people."""
    return store_connection(settings, secrets.minio_tasks_user, secrets.minio_tasks_password)


def scorer_store(settings: Settings, secrets: Secrets) -> StoreConnection:
    """The object store for scorers."""
    return store_connection(settings, secrets.minio_scorer_user, secrets.minio_scorer_password)


def common(settings: Settings, layout: Layout, tools: Mapping[str, Path]) -> dict[str, str]:
    """What every process of the stack gets, whatever shell `make up` was called from."""
    user = {name: os.environ[name] for name in _FROM_USER if name in os.environ}
    passed = {
        name: value for name, value in settings.environment().items() if not name.startswith(_NOT_PASSED_ON)
    }
    return {"LANG": "C.UTF-8", **user, **passed, **programs(layout, tools), STACK: str(layout.var)}


def shell(settings: Settings, layout: Layout, tools: Mapping[str, Path], secrets: Secrets) -> dict[str, str]:
    """What programs outside Airflow need to reach the stack; PATH stays the shell's own."""
    # STREAMWEIR_STACK is left out on purpose: `make down` would end whatever is started from such a shell.
    values = {
        **kafka_connection(settings).to_env(),
        **tasks_store(settings, secrets).to_env(),
        **SparkConnection(settings.spark_master).to_env(),
        **programs(layout, tools),
        AIRFLOW_URL: settings.airflow_url,
    }
    return {name: value for name, value in values.items() if name != "PATH"}


def write_shell(path: Path, values: Mapping[str, str]) -> None:
    """Write variables for a shell to `source`; only the owner may read the file."""
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in sorted(values.items())]
    write_private(path, "# Written by `make up`; holds a password. Use: source var/env\n" + "".join(lines))


def programs(layout: Layout, tools: Mapping[str, Path]) -> dict[str, str]:
    """Where Python, Java and Spark find each other."""
    # Not resolved: the virtual environment's own link is what makes its packages importable.
    binaries = Path(sys.executable).parent
    return {
        "PATH": f"{binaries}:{tools['java_home'] / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "JAVA_HOME": str(tools["java_home"]),
        "PYSPARK_PYTHON": sys.executable,
        # Spark would otherwise listen on all addresses.
        "SPARK_LOCAL_IP": "127.0.0.1",
        SPARK_JARS: str(tools["spark_jars"]),
        SPARK_CLASSES: str(tools["spark_classes"]),
        WORK: str(layout.work),
    }
