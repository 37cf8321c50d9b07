"""Deleting what Airflow keeps of runs of long ago."""

import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from airflow.sdk import BaseOperator, Context
from airflow.sdk.configuration import conf

from streamweir.errors import StreamweirError
from streamweir_airflow.attempt import as_airflow
from streamweir_airflow.hooks import DatabaseHook
from streamweir_airflow.limits import days_of
from streamweir_airflow.processes import Child


class CleanDatabase(BaseOperator):
    """Deletes old rows of Airflow's database, as `airflow db clean` does it."""

    @cached_property
    def child(self) -> Child:
        """The process."""
        return Child("airflow db clean", self.log)

    def execute(self, context: Context) -> None:
        """Airflow's entry."""
        before = f"{datetime.now(UTC) - days_of(self, context):%Y-%m-%d %H:%M:%S%z}"
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
        return delete_old_files(folder, datetime.now(UTC) - days_of(self, context))


def delete_old_files(folder: Path, before: datetime) -> int:
    """Delete the files below a folder that were last written before; returns how many.

    Folders that become empty go as well, but for those directly in it: the next run's are made there.
    """
    gone, left = 0, set[Path]()
    for parent, _, names in os.walk(folder, topdown=False):
        here = Path(parent)
        may_go = here in left or _is_old(here, before)
        for path in (here / name for name in names):
            if _is_old(path, before):
                path.unlink(missing_ok=True)
                gone, may_go = gone + 1, True
        if may_go and folder not in (here, here.parent):
            # One that is not empty stays: a task that begins may just have made a file in it.
            with suppress(OSError):
                here.rmdir()
                left.add(here.parent)
    return gone


def _is_old(path: Path, before: datetime) -> bool:
    try:
        return path.lstat().st_mtime < before.timestamp()
    except FileNotFoundError:
        return False
