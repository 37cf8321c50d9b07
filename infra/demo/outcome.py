"""After the run: its bundle on this machine, and what came of it in a few lines."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from infra.processes import Peak
from infra.stack import Stack
from streamweir.contracts.runs import Run
from streamweir.errors import BadConfiguration
from streamweir.objectstore import ObjectStore

_GIB = 1024**3
_STYLES = {"success": "green", "warning": "yellow", "failed": "red"}
_COUNTED = ("produced", "scored", "used", "late", "duplicate", "unscorable", "malformed", "unexplained")


def bring_home(store: ObjectStore, run: Run, peak: Peak, folder: Path) -> Path:
    """Add the measured memory to the bundle and put a copy of the bundle in the place of `folder`.

    Raises BadConfiguration when the store holds nothing of the run.
    """
    # Draws plots: too heavy a thing to load for every other command of this program.
    from streamweir.reporting import refresh_summary

    if not store.list(run.bundle):
        raise BadConfiguration(
            f"the object store holds nothing of run {run.id}: its tasks' logs in Airflow say why"
        )
    refresh_summary(store, run, asdict(peak))
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    store.download_folder(run.bundle, fresh)
    fresh.chmod(0o755)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    return folder


def print_outcome(console: Console, stack: Stack, folder: Path, *, page: str) -> None:
    """Print outcome, ledger totals, where everything lies, and the peak memory."""
    summary = json.loads((folder / "summary.json").read_text())
    style = _STYLES[summary["outcome"]]
    console.print(f"\noutcome: [{style}]{summary['outcome']}[/] after {summary['seconds']:.0f} s")
    for failure in summary["failures"]:
        console.print(f"  {failure['task'] or 'result'}: {failure['sentence']}", markup=False)
    for sentence in summary["warnings"]:
        console.print(f"  {sentence}", markup=False)
    if summary["unexplained"] is not None:
        console.print(_totals(summary["rows"]))
    lines = {
        "report": folder / "report.html",
        "bundle": folder,
        "run": page,
        "Airflow": f"{stack.settings.airflow_url} (user {stack.secrets.airflow_admin_user})",
        "MinIO": f"{stack.settings.minio_console_url} (user {stack.secrets.minio_tasks_user})",
        "passwords": stack.layout.secrets,
        "peak memory": _memory(summary["memory"]),
    }
    for name, value in lines.items():
        console.print(f"{name + ':':<13}{value}", markup=False)


def _totals(rows: Mapping[str, Any]) -> Table:
    topics = {topic: line for topic, line in rows.items() if topic != "tables"}
    table = Table("rows", box=None, padding=(0, 3, 0, 0))
    for topic in topics:
        table.add_column(topic, justify="right")
    for name in _COUNTED:
        counts = [line.get(name) for line in topics.values()]
        if any(count is not None for count in counts):
            table.add_row(name, *("-" if count is None else f"{count:,}" for count in counts))
    return table


def _memory(memory: Mapping[str, Any]) -> str:
    largest = sorted(memory["by_service"].items(), key=lambda item: -item[1])[:4]
    parts = ", ".join(f"{name} {used / _GIB:.2f}" for name, used in largest)
    return (
        f"{memory['peak_bytes'] / _GIB:.2f} GiB of at most {memory['limit_bytes'] / _GIB:.0f} ({parts}, ...)"
    )
