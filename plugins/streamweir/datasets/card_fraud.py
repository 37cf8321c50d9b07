"""What makes a `card_fraud` dataset usable: one file with the columns that every transaction must have.

Bad values are no reason to refuse it: they are the bad input that the stream must stand, and nothing is
trained on them.
"""

import logging
from pathlib import Path

from streamweir.contracts.card_fraud.dataset import CLASS, FILE, NUMBER_NAMES
from streamweir.datasets.checks import CheckedFile, check_rows, locate
from streamweir.replay.csvfile import CsvFile

_LOG = logging.getLogger(__name__)


def check(folder: Path, *, needs_history: bool) -> list[CheckedFile]:
    """The usable file of the folder; raises DatasetUnusable naming file, line and column.

    It is history too when it has the column Class. Without that it can be scored and teaches nothing, so
    `needs_history` cannot be asked of it here: whoever looks for a model says what is missing.
    """
    path = locate(folder, (FILE, *_only_csv(folder)))
    rows = check_rows(path, NUMBER_NAMES, {})
    names = CsvFile(path, NUMBER_NAMES).names
    if unused := [name for name in names if name not in (*NUMBER_NAMES, CLASS.name)]:
        _LOG.warning("%s: columns that are not used: %s", path, ", ".join(unused))
    return [CheckedFile(FILE, path, rows, history=CLASS.name in names, live_too=True)]


def _only_csv(folder: Path) -> list[str]:
    """The folder's CSV file, whatever it is called, when there is but one."""
    found = [path.name for path in folder.iterdir() if path.suffix.lower() == ".csv"]
    return found if len(found) == 1 else []
