"""Whether set-up is done: a file in `.venv` that holds the checksums of what it was made from."""

import hashlib
import json
import sys
from pathlib import Path

from infra.bootstrap import python_env

_INPUTS = (
    "pyproject.toml",
    str(python_env.REQUIREMENTS),
    str(python_env.UV_LOCK),
    str(python_env.BUILD_LOCK),
    "infra/toolchain/versions.lock",
    "infra/kafka/jars.lock",
    "infra/spark/jars.lock",
)
_STAMP = Path(".venv/streamweir-setup.json")
TOOLS = Path(".venv/streamweir-tools.json")


def inputs(checkout: Path) -> dict[str, str]:
    """The SHA-256 of every file that set-up depends on, and the Python that runs it."""
    found = {name: hashlib.sha256((checkout / name).read_bytes()).hexdigest() for name in _INPUTS}
    # An editable install points at the folder: a moved checkout is set up again.
    return {**found, "python": sys.version, "checkout": str(checkout)}


def is_current(checkout: Path) -> bool:
    """Whether set-up was completed from the same inputs and its tools are still in the cache."""
    try:
        recorded = json.loads((checkout / _STAMP).read_text())
        tools = json.loads((checkout / TOOLS).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return False
    return recorded == inputs(checkout) and all(Path(path).exists() for path in tools.values())


def write(checkout: Path, made_from: dict[str, str]) -> None:
    """Record that set-up is complete; `made_from` was read before it began, so a change meanwhile is seen."""
    (checkout / _STAMP).write_text(json.dumps(made_from, indent=2))
