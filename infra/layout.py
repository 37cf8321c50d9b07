"""Where the stack keeps what, below its state folder."""

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from streamweir.contracts.formats import stored_format
from streamweir.errors import StackError

FORMAT = 1
"""Of the state folder; goes up when older code would read its files wrongly."""
# A Unix socket's path must fit into 108 bytes; the longest name below the folder is `.s.PGSQL.5432.lock`.
_LONGEST_SOCKET_FOLDER = 80


@dataclass(frozen=True)
class Layout:
    """The folders and files of one stack."""

    var: Path

    @property
    def secrets(self) -> Path:
        """Generated passwords and keys, mode 0600."""
        return self.var / "secrets.env"

    @property
    def env(self) -> Path:
        """What a shell needs to reach the stack (`source var/env`), mode 0600."""
        return self.var / "env"

    @property
    def logs(self) -> Path:
        """One log per service."""
        return self.var / "logs"

    @property
    def supervisor(self) -> Path:
        """The supervisor's configuration, log, and the services' environments; readable by the owner only."""
        return self.var / "supervisor"

    @property
    def work(self) -> Path:
        """Scratch folder of tasks and scorers."""
        return self.var / "work"

    @property
    def sockets(self) -> Path:
        """Unix sockets; in the temporary folder when the state folder's path is too long for them."""
        folder = self.var / "sockets"
        if len(os.fsencode(folder)) <= _LONGEST_SOCKET_FOLDER:
            return folder
        tag = hashlib.sha256(os.fsencode(self.var)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"streamweir-{os.getuid()}-{tag}"

    def data(self, service: str) -> Path:
        """A service's own data."""
        return self.var / service

    def log(self, service: str) -> Path:
        """A service's log file."""
        return self.logs / f"{service}.log"

    def note_format(self) -> None:
        """Say what form the folder has; raises StackError when a newer Streamweir made it.

        A folder that does not say so is of format 1: services read their own older data, and each object in
        the store says of itself what form it has.
        """
        file = self.var / "format.json"
        if file.exists():
            remedy = "name another folder by STREAMWEIR_VAR"
            stored_format(
                json.loads(file.read_text()), FORMAT, f"the state folder {self.var}", remedy, StackError
            )
        write_private(file, json.dumps({"format": FORMAT}))

    def make(self) -> None:
        """Create the folders; private ones with mode 0700."""
        for folder in (self.var, self.logs, self.work):
            folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.supervisor, self.sockets):
            make_private(folder)


def make_private(folder: Path) -> None:
    """Make a folder that only its owner may enter."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w") as file:
        file.write(text)
    os.replace(name, path)
