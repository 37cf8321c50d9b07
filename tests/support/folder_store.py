"""The store as a folder, for benchmarks whose files are larger than memory should hold."""

from pathlib import Path
from shutil import copyfile

from streamweir.contracts.streams import ObjectKey
from tests.support.file_store import FileStore


class FolderStore(FileStore):
    """Small objects in memory, large ones as files of a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def file(self, key: ObjectKey) -> Path:
        return self.folder / str(key).replace("/", "+")

    def exists(self, key: ObjectKey) -> bool:
        return self.file(key).exists() or super().exists(key)

    def download(self, key: ObjectKey, path: Path) -> None:
        if self.file(key).exists():
            copyfile(self.file(key), path)
        else:
            path.write_bytes(self.get(key) or b"")
