"""Bare `make`: what Streamweir is, and every target by section. Runs before anything is installed."""

import re
import sys
from pathlib import Path

_ABOUT = """Streamweir replays recorded events through a real streaming stack and proves what came out: Kafka,
Spark Structured Streaming, MinIO and Airflow run here without Docker, and every row is accounted for.
Begin with `make demo`; `make test` proves that all is well. Needed: make, Python 3.11 or 3.12, a network."""

_LINE = re.compile(r"^##@ (?P<section>.+)$|^(?P<target>[\w-]+):[^#\n]*## (?P<text>.+)$", re.MULTILINE)


def describe(makefile: str) -> str:
    """The help text of a Makefile: `##@ section` lines and `target: ## text` lines."""
    lines = [_ABOUT]
    for found in _LINE.finditer(makefile):
        if found["section"]:
            lines += ["", found["section"]]
        else:
            lines.append(f"  {found['target']:<17} {found['text']}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(describe(Path(sys.argv[1]).read_text()))
