"""Where this machine's tasks keep what they download, and the logs of the scorers they start."""

import os
import tempfile
from pathlib import Path

from streamweir.errors import BadConfiguration
from streamweir.variables import WORK


def work_folder() -> Path:
    """The folder that the environment variable STREAMWEIR_WORK names, else the user's own among the temporary
    files; errors as in `private_folder`."""
    if named := WORK.of():
        return Path(named)
    return private_folder(Path(tempfile.gettempdir()) / f"streamweir-{os.getuid()}")


def private_folder(path: Path) -> Path:
    """A folder that nobody else may enter, made when it is not there.

    Raises BadConfiguration when it is another user's: who can write it decides what code is run.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.stat().st_uid != os.getuid():
        raise BadConfiguration(f"{path} belongs to another user: set {WORK} to a folder of your own")
    path.chmod(0o700)
    return path
