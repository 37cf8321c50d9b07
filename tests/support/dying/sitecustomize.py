"""Python imports this at its start where a test put the folder on the path: a driver dies by kill -9, once.

It does so before the commit record of the first micro-batch that has created two CSV files while rows waited
from before. The commit record before it and the files that were created are written to the file that
STREAMWEIR_TEST_DIES names.
"""

import json
import os
import signal
from pathlib import Path

from streamweir.contracts.streams import ObjectKey
from streamweir.objectstore import ObjectStore

_TOLD = Path(os.environ["STREAMWEIR_TEST_DIES"])
_put, _create = ObjectStore.put, ObjectStore.put_if_absent
_created: dict[str, str] = {}
_commits: list[bytes] = []


def _put_or_die(store: ObjectStore, key: ObjectKey, data: bytes) -> None:
    if "/commits/" in str(key) and str(key).endswith(".json"):
        if len(_created) > 1 and _commits and not _TOLD.exists():
            _TOLD.write_text(json.dumps({"before": json.loads(_commits[-1]), "created": _created}))
            os.kill(os.getpid(), signal.SIGKILL)
        _created.clear()
        _commits.append(data)
    _put(store, key, data)


def _create_and_note(store: ObjectStore, key: ObjectKey, data: bytes) -> str | None:
    found = _create(store, key, data)
    if str(key).endswith(".csv"):
        _created[key.key.rpartition("/")[2]] = data.decode()
    return found


ObjectStore.put, ObjectStore.put_if_absent = _put_or_die, _create_and_note  # type: ignore[method-assign]
