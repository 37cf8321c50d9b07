"""Airflow's configuration, as environment variables."""

import json
from pathlib import Path

from infra import environment, postgres
from infra.layout import Layout
from infra.secrets import Secrets
from streamweir.connections import StoreConnection
from streamweir.settings import CHECKOUT, Settings


def airflow_env(settings: Settings, layout: Layout, secrets: Secrets) -> dict[str, str]:
    """The environment of all four Airflow services; what the user set for Airflow himself wins."""
    sections: dict[str, dict[str, object]] = {
        "core": _core(settings, layout, secrets),
        "database": _database(layout),
        "api": {"host": "127.0.0.1", "port": settings.airflow_port, "workers": 1,
                "base_url": settings.airflow_url, "secret_key": secrets.airflow_api_secret},
        "api_auth": {"jwt_secret": secrets.airflow_jwt_secret},
        "logging": {"base_log_folder": layout.data("airflow") / "logs", "colored_console_log": False},
        **_tempo(),
    }  # fmt: skip
    config = {
        f"AIRFLOW__{section.upper()}__{key.upper()}": str(value)
        for section, options in sections.items()
        for key, value in options.items()
    }
    return {
        "AIRFLOW_HOME": str(layout.data("airflow")),
        # Titles of processes would overwrite the environment by which `make down` finds them.
        "SPT_NOENV": "1",
        "MALLOC_ARENA_MAX": "2",
        **config,
        **_connections(settings, layout, secrets),
        **settings.airflow_environment(),
    }


def _core(settings: Settings, layout: Layout, secrets: Secrets) -> dict[str, object]:
    return {
        "dags_folder": CHECKOUT / "dags",
        "plugins_folder": CHECKOUT / "plugins",
        "load_examples": False,
        "executor": "LocalExecutor",
        "parallelism": settings.airflow_parallelism,
        "dags_are_paused_at_creation": False,
        "fernet_key": secrets.airflow_fernet_key,
        "execution_api_server_url": f"{settings.airflow_url}/execution/",
        "auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "simple_auth_manager_users": f"{secrets.airflow_admin_user}:admin",
        "simple_auth_manager_passwords_file": passwords_file(layout),
        # A changed DAG file is seen by the scheduler at once, not after half a minute.
        "min_serialized_dag_update_interval": 1,
    }


def _database(layout: Layout) -> dict[str, object]:
    return {
        "sql_alchemy_conn": postgres.url(layout, "psycopg2"),
        "sql_alchemy_conn_async": postgres.url(layout, "asyncpg"),
        "sql_alchemy_pool_size": 3,
        "sql_alchemy_max_overflow": 7,
    }


def _tempo() -> dict[str, dict[str, object]]:
    """Airflow's defaults are made for thousands of DAGs; a replay of a minute would mostly wait for them."""
    return {
        "scheduler": {
            "scheduler_idle_sleep_time": 0.3,
            "scheduler_heartbeat_sec": 2,
            # How soon the tasks of a scheduler that died are taken up by the next one.
            "scheduler_health_check_threshold": 15,
            "orphaned_tasks_check_interval": 10,
            "task_instance_heartbeat_timeout": 60,
            "task_instance_heartbeat_timeout_detection_interval": 5,
            "enable_tracemalloc": False,
        },
        "dag_processor": {
            "parsing_processes": 1,
            "refresh_interval": 10,
            "bundle_refresh_check_interval": 2,
            "print_stats_interval": 300,
        },
        # The same for what waits in a triggerer.
        "triggerer": {"capacity": 100, "job_heartbeat_sec": 2, "triggerer_health_check_threshold": 12},
        "usage_data_collection": {"enabled": False},
    }


def _connections(settings: Settings, layout: Layout, secrets: Secrets) -> dict[str, str]:
    """The Airflow Connections of the embedded servers, and of Airflow's own database."""
    found = {
        "kafka_default": {"conn_type": "kafka", "host": environment.kafka_connection(settings).bootstrap},
        "minio_default": _store(environment.tasks_store(settings, secrets)),
        "minio_scorer": _store(environment.scorer_store(settings, secrets)),
        "spark_default": {"conn_type": "spark", "host": settings.spark_master},
        "airflow_db": {"conn_type": "generic", "extra": _database(layout)},
    }
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(value) for name, value in found.items()}


def _store(connection: StoreConnection) -> dict[str, object]:
    host, _, port = connection.endpoint.rpartition(":")
    extra = {
        "secure": connection.secure,
        "region": connection.region,
        "bucket_prefix": connection.bucket_prefix,
    }
    return {
        "conn_type": "aws",
        "host": host,
        "port": int(port),
        "login": connection.access_key,
        "password": connection.secret_key,
        "extra": extra,
    }


def passwords_file(layout: Layout) -> Path:
    """The simple auth manager's file of users and passwords."""
    return layout.data("airflow") / "passwords.json"
