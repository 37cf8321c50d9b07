"""The object store that the tasks of a run write to."""

import json
import subprocess
import sys

from infra import environment
from infra.airflow.config import airflow_env
from infra.plan import installed_tools
from infra.stack import Stack
from streamweir.connections import StoreConnection
from streamweir.errors import BadConfiguration

_NAMED = "AIRFLOW_CONN_MINIO_DEFAULT"


def store_of_tasks(stack: Stack) -> StoreConnection:
    """The embedded one, unless the user's `minio_default` names another.

    Raises BadConfiguration when that one cannot be read.
    """
    settings, layout, secrets = stack.settings, stack.layout, stack.secrets
    if _NAMED not in settings.airflow_environment():
        return environment.tasks_store(settings, secrets)
    env = environment.common(settings, layout, installed_tools()) | airflow_env(settings, layout, secrets)
    argv = [sys.executable, "-m", "streamweir_airflow.store_of_tasks"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        why = (done.stderr.strip() or "no message").splitlines()[-1]
        raise BadConfiguration(f"{_NAMED} does not say where the object store is: {why}")
    return StoreConnection.from_env(json.loads(done.stdout.splitlines()[-1]))
