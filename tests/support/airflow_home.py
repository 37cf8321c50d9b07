"""Airflow with a home of its own: a temporary folder, this checkout's DAGs and plugins."""

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]


@cache
def use() -> None:
    """Set the environment; to be called before Airflow, which reads it then, is first imported."""
    home = tempfile.mkdtemp(prefix="streamweir-airflow-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ.update(
        {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__DAGS_FOLDER": str(CHECKOUT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(CHECKOUT / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        }
    )
    for name in list(os.environ):
        if name.startswith(("STREAMWEIR_SCHEDULE_", "STREAMWEIR_RETENTION_")):
            del os.environ[name]
