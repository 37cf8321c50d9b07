"""The store in memory, for code that moves files."""

from pathlib import Path

from streamweir.contracts.streams import ObjectKey
from tests.support.memory_store import MemoryStore


class FileStore(MemoryStore):
    """The part of `ObjectStore` that datasets and quality docs use."""

    def __init__(self) -> None:
        super().__init__()
        self.uploads: list[str] = []
        self.downloads: list[str] = []

    def upload(self, key: ObjectKey, path: Path) -> None:
        self.uploads.append(str(key))
        self.put(key, path.read_bytes())

    def upload_folder(self, prefix: ObjectKey, folder: Path) -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.upload(prefix / path.relative_to(folder).as_posix(), path)

    def download(self, key: ObjectKey, path: Path) -> None:
        self.downloads.append(str(key))
        path.write_bytes(self.objects[str(key)])

    def delete_folder(self, prefix: ObjectKey) -> None:
        for key in self.list(prefix):
            self.delete(key)
