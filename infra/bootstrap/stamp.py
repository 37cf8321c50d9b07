"""Whether set-up is done: a file in `.venv` that holds the checksums of what it was made from."""

import hashlib
import json
import sys
from pathlib import Path

from infra.bootstrap import classes, jars, minio, python_env, versions

_JARS = (jars.KAFKA, jars.SPARK, jars.COMPILER, jars.CHECKPOINT_FILES)
_INPUTS = (minio.GO_LOCK, versions.VERSIONS, *_JARS, classes.REHEARSAL)
_STAMP = Path(".venv/streamweir-setup.json")


def inputs(checkout: Path) -> dict[str, str]:
    """The SHA-256 of every file that set-up depends on, and the Python that runs it."""
    found = {str(name): hashlib.sha256((checkout / name).read_bytes()).hexdigest() for name in _INPUTS}
    return {**found, **python_env.inputs(checkout), "python": sys.version}


def is_current(checkout: Path) -> bool:
    """Whether set-up was completed from the same inputs and its tools are still there."""
    try:
        recorded = json.loads((checkout / _STAMP).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return False
    tools = recorded.pop("tools", {"none": "/nowhere"})
    return recorded == inputs(checkout) and all(Path(path).exists() for path in tools.values())


def write(checkout: Path, made_from: dict[str, str], tools: dict[str, Path]) -> None:
    """Record that set-up is complete, and where its tools lie.

    `made_from` was read before it began, so that a change made meanwhile is seen the next time.
    """
    record = {**made_from, "tools": {name: str(path) for name, path in tools.items()}}
    (checkout / _STAMP).write_text(json.dumps(record, indent=2))


def tools(checkout: Path) -> dict[str, Path]:
    """Where set-up put its tools: java_home, minio, kafka_jars, spark_jars, spark_classes.

    Empty before the first set-up.
    """
    try:
        recorded = json.loads((checkout / _STAMP).read_text())
    except FileNotFoundError:
        return {}
    return {name: Path(path) for name, path in recorded["tools"].items()}
