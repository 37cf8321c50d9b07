"""What a scorer loads before it knows its model, looked at in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from streamweir.contracts.pipelines import pipeline_names

APPS = Path(__file__).parents[3] / "spark_apps"
HEAVY = ("scipy", "pyspark.ml", "great_expectations", "matplotlib")
CODE = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
importlib.import_module(sys.argv[2])
print(json.dumps(sorted(sys.modules)))
"""


@pytest.mark.parametrize("pipeline", pipeline_names())
def test_a_scorers_app_loads_nothing_that_only_sparks_models_need(pipeline: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(APPS), pipeline], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    assert "streamweir_spark.scorer" in loaded
    assert [name for name in loaded if name in HEAVY] == []
