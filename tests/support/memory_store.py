"""An object store in memory, for tests of what reads and writes objects and needs no server."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamweir.contracts.streams import ObjectKey
from streamweir.objectstore import Stat, to_json


class MemoryStore:
    """The part of `ObjectStore` that ledger, reports and the scorer's lease use."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def get(self, key: ObjectKey, *, at_most: int | None = None) -> bytes | None:
        data = self.objects.get(str(key))
        return None if data is None else data[:at_most]

    def get_json(self, key: ObjectKey) -> Any:
        data = self.get(key)
        return None if data is None else json.loads(data)

    def put(self, key: ObjectKey, data: bytes) -> None:
        self.objects[str(key)] = data

    def upload(self, key: ObjectKey, path: Path) -> None:
        self.put(key, path.read_bytes())

    def put_json(self, key: ObjectKey, value: object) -> None:
        self.put(key, to_json(value))

    def list(self, prefix: ObjectKey, *, after: ObjectKey | None = None) -> list[ObjectKey]:
        start = "" if after is None else str(after)
        below = sorted(name for name in self.objects if name.startswith(f"{prefix}/") and name > start)
        return [ObjectKey(*name.split("/", 1)) for name in below]

    def folders(self, prefix: ObjectKey) -> Sequence[str]:
        beyond = (name.removeprefix(f"{prefix}/") for name in self.objects if name.startswith(f"{prefix}/"))
        return sorted({name.split("/")[0] for name in beyond if "/" in name})

    def bucket(self, key: ObjectKey) -> str:
        return key.bucket

    def stat(self, key: ObjectKey) -> Stat | None:
        data = self.objects.get(str(key))
        return None if data is None else Stat(_etag(data), len(data))

    def download(self, key: ObjectKey, path: Path) -> None:
        path.write_bytes(self.objects[str(key)])

    def exists(self, key: ObjectKey) -> bool:
        return str(key) in self.objects

    def delete(self, key: ObjectKey) -> None:
        self.objects.pop(str(key), None)

    def delete_all(self, keys: Sequence[ObjectKey]) -> None:
        for key in keys:
            self.delete(key)

    def get_with_etag(self, key: ObjectKey) -> tuple[bytes, str] | None:
        data = self.get(key)
        return None if data is None else (data, _etag(data))

    def put_if_absent(self, key: ObjectKey, data: bytes) -> str | None:
        return None if self.exists(key) else self._put(key, data)

    def put_if_match(self, key: ObjectKey, data: bytes, etag: str) -> str | None:
        found = self.get(key)
        return self._put(key, data) if found is not None and _etag(found) == etag else None

    def _put(self, key: ObjectKey, data: bytes) -> str:
        self.put(key, data)
        return _etag(data)


def _etag(data: bytes) -> str:
    # As S3 does it: equal content has an equal ETag.
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
