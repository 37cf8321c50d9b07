"""Deleting what Airflow keeps of runs of long ago."""

import os
import sys
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from airflow.sdk import BaseOperator, Context
from airflow.sdk.configuration import conf

from streamweir.errors import StreamweirError
from streamweir_airflow.attempt import as_airflow
from streamweir_airflow.hooks import DatabaseHook
from streamweir_airflow.processes import Child


class CleanDatabase(BaseOperator):
    """Deletes old rows of Airflow's database, as `airflow db clean` does it."""

    @cached_property
    def child(self) -> Child:
        """The process."""
        return Child("airflow db clean", self.log)

    def execute(self, context: Context) -> None:
        """Airflow's entry."""
        before = f"{_some_days_ago(context):%Y-%m-%d %H:%M:%S%z}"
        argv = [sys.executable, "-m", "airflow", "db", "clean", "--clean-before-timestamp", before]
        argv += ["--yes", "--skip-archive", "--error-on-cleanup-failure"]
        try:
            # A task is not told where the database is.
            self.child.run(argv, {**os.environ, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": DatabaseHook().url})
        except StreamweirError as error:
            raise as_airflow(error) from error

    def on_kill(self) -> None:
        """A task that is killed takes its process along."""
        self.child.end()


class CleanLogs(BaseOperator):
    """Deletes Airflow's logs that nobody has written to for some days."""

    def execute(self, context: Context) -> int:
        """Airflow's entry; returns how many files are gone."""
        folder = Path(conf.get("logging", "base_log_folder"))
        return delete_old_files(folder, _some_days_ago(context))


def delete_old_files(folder: Path, before: datetime) -> int:
    """Delete the files below a folder that were last written before; returns how many.

    Folders that are empty go as well, but for those directly in it: the next run's are made there.
    """
    gone = 0
    for parent, _, names in os.walk(folder, topdown=False):
        for path in (Path(parent) / name for name in names):
            if path.lstat().st_mtime < before.timestamp():
                path.unlink(missing_ok=True)
                gone += 1
        here = Path(parent)
        if folder not in (here, here.parent) and not any(here.iterdir()):
            here.rmdir()
    return gone


def _some_days_ago(context: Context) -> datetime:
    return datetime.now(UTC) - timedelta(days=context["params"]["days"])
