"""A store whose writer dies, for tests of what a crash leaves."""

from collections.abc import Mapping, Sequence

from streamweir.contracts.streams import ObjectKey
from tests.support.memory_store import MemoryStore


class Crash(Exception):
    """The writer's end."""


class CrashingStore(MemoryStore):
    """objects: what it begins with. left: how many writes and deletions take hold before the writer dies."""

    def __init__(self, objects: Mapping[str, bytes], left: int) -> None:
        super().__init__()
        self.objects, self.left = dict(objects), left

    def put(self, key: ObjectKey, data: bytes) -> None:
        self._count()
        super().put(key, data)

    def delete_all(self, keys: Sequence[ObjectKey]) -> None:
        if keys:
            self._count()
        super().delete_all(keys)

    def _count(self) -> None:
        if not self.left:
            raise Crash
        self.left -= 1
