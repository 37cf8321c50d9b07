"""An object store in memory, for tests of what reads and writes objects and needs no server."""

import json
from typing import Any

from streamweir.contracts.streams import ObjectKey
from streamweir.objectstore import to_json


class MemoryStore:
    """The part of `ObjectStore` that ledger and reports use."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def get(self, key: ObjectKey) -> bytes | None:
        return self.objects.get(str(key))

    def get_json(self, key: ObjectKey) -> Any:
        data = self.get(key)
        return None if data is None else json.loads(data)

    def put(self, key: ObjectKey, data: bytes) -> None:
        self.objects[str(key)] = data

    def put_json(self, key: ObjectKey, value: object) -> None:
        self.put(key, to_json(value))

    def list(self, prefix: ObjectKey) -> list[ObjectKey]:
        below = sorted(name for name in self.objects if name.startswith(f"{prefix}/"))
        return [ObjectKey(*name.split("/", 1)) for name in below]

    def exists(self, key: ObjectKey) -> bool:
        return str(key) in self.objects

    def delete(self, key: ObjectKey) -> None:
        self.objects.pop(str(key), None)
