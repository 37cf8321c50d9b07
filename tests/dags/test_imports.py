"""What loading the DAGs pulls in, looked at from outside: in processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
HEAVY = ("pyspark", "great_expectations", "pandas", "matplotlib", "pyarrow", "duckdb")
PARSE = """
import json, runpy, sys
import airflow.sdk, airflow.triggers.base
before = set(sys.modules)
for path in sys.argv[1:]:
    runpy.run_path(path)
print(json.dumps(sorted(set(sys.modules) - before)))
"""
PLUGINS = """
import json, sys
from airflow import plugins_manager
plugins_manager.ensure_plugins_loaded()
import kafka
rooms = ("streamweir", "streamweir_airflow")
files = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}
ours = [name for name in files if files[name].startswith(sys.argv[1]) and name.split(".")[0] not in rooms]
print(json.dumps({"kafka": kafka.__file__, "ours": ours, "errors": plugins_manager.get_import_errors()}))
"""


def python(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=os.environ, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def test_loading_the_dags_pulls_in_nothing_heavy() -> None:
    files = sorted(map(str, (CHECKOUT / "dags").glob("*.py")))
    assert len(files) >= 4
    loaded = json.loads(python(PARSE, *files))
    assert "streamweir_airflow.operators.scorer" in loaded
    assert not [name for name in loaded if name.split(".")[0] in HEAVY]


def test_airflow_loads_no_file_of_the_plugins_folder_as_a_plugin_so_kafka_is_kafka_python() -> None:
    seen = json.loads(python(PLUGINS, str(CHECKOUT / "plugins")))
    assert "site-packages" in seen["kafka"]
    assert seen["ours"] == []
    assert seen["errors"] == {}
