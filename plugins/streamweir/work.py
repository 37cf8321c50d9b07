"""Where this machine's tasks keep what they download, and the logs of the scorers they start."""

import os
import tempfile
from pathlib import Path

WORK = "STREAMWEIR_WORK"


def work_folder() -> Path:
    """The folder that the environment variable STREAMWEIR_WORK names, else one among the temporary files."""
    return Path(os.environ.get(WORK) or Path(tempfile.gettempdir()) / "streamweir")
