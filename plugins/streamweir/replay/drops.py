"""Objects that others put below a prefix of the store: a stream meets each once, and the order is kept."""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Any

from streamweir.claims import Claim, most_bytes_of_env
from streamweir.commits import READERS
from streamweir.contracts.formats import stored_format
from streamweir.contracts.streams import ObjectKey
from streamweir.objectstore import ObjectStore, to_json
from streamweir.replay.stop import never

FORMAT = 1
"""Of the objects that say what was met, and as which."""
LOOK_S = 1.0
WHOLE_LOOK = 10
"""Every so many looks list everything; the others only what is behind the last name."""
_NUMBERS = re.compile(r"([0-9]+)")


@dataclass(frozen=True)
class Drop:
    """An object that was met. rows: in it. second: on the virtual clock, after the begin of the run."""

    claim: Claim
    rows: int
    second: int
    run: str


@dataclass(frozen=True)
class Watcher:
    """Looks for objects below `prefix`, until none was new for `idle_stop_s` seconds or it is `stopped`.

    kept: a prefix of the stream's own: what its runs met is kept there before it is given, so that a run that
    is resumed meets the same in the same order, and a later one nothing of it. run: which one asks. rows: how
    many rows an object has. began: the Unix seconds at which the clock starts. now, sleep: of the wall clock.

    Those of one look come in natural order, chunk_10 behind chunk_2. One whose name sorts before another that
    was met is found as well, some looks later. An object that is replaced is not met again.
    """

    store: ObjectStore
    prefix: ObjectKey
    kept: ObjectKey
    run: str
    idle_stop_s: float
    rows: Callable[[bytes], int]
    began: float
    stopped: Callable[[], bool] = never
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    _met: set[str] = field(default_factory=set)

    def drops(self, first: int = 0) -> Iterator[Drop]:
        """The run's objects from the one with this index on."""
        own = (drop for drop in self._all() if drop.run == self.run)
        return islice(own, first, None)

    def _all(self) -> Iterator[Drop]:
        """Those of earlier runs as well."""
        known = self.store.list(self.kept)
        with ThreadPoolExecutor(READERS) as pool:
            for before in pool.map(self._kept, known):
                self._met.add(before.claim.key.key)
                yield before
        index = len(known)
        for key in self._new():
            drop = self._read(key)
            # It was deleted since it was listed, or has come meanwhile by another replay of the run.
            if drop is None or key.key in self._met:
                continue
            # Of two replays one keeps it; both then go by that.
            place = self.kept / f"{index:08d}.json"
            self.store.put_if_absent(place, _encoded(drop))
            kept = self._kept(place)
            self._met.add(kept.claim.key.key)
            yield kept
            index += 1

    def _new(self) -> Iterator[ObjectKey]:
        """What was not met yet, as long as something comes."""
        quiet_since = self.now()
        for look in count():
            is_late = self.now() - quiet_since >= self.idle_stop_s
            found = self._look(whole=is_late or look % WHOLE_LOOK == 0)
            yield from sorted(found, key=_natural)
            if found:
                quiet_since = self.now()
            elif is_late or self.stopped():
                return
            else:
                self.sleep(LOOK_S)

    def _look(self, *, whole: bool) -> list[ObjectKey]:
        last = max(self._met, default="")
        after = None if whole or not last else ObjectKey(self.prefix.bucket, last)
        listed = self.store.list(self.prefix, after=after)
        # A name that ends with / is a folder's, as some tools write it.
        return [key for key in listed if key.key not in self._met and not key.key.endswith("/")]

    def _read(self, key: ObjectKey) -> Drop | None:
        # A byte more than is allowed shows that it is too large, however large it is.
        data = self.store.get(key, at_most=most_bytes_of_env() + 1)
        if data is None:
            return None
        second = max(0, int(self.now() - self.began))
        return Drop(Claim.of(key, data), self.rows(data), second, self.run)

    def _kept(self, place: ObjectKey) -> Drop:
        found = self.store.get_json(place)
        stored_format(found, FORMAT, str(place), "take another stream id")
        claim = Claim(ObjectKey(*found["key"].split("/", 1)), found["bytes"], found["sha256"])
        return Drop(claim, found["rows"], found["second"], found["run"])


def _encoded(drop: Drop) -> bytes:
    facts = {"rows": drop.rows, "second": drop.second, "run": drop.run}
    return to_json({"format": FORMAT, **drop.claim.to_json(), **facts})


def _natural(key: ObjectKey) -> list[Any]:
    """Texts and numbers in turn."""
    parts: list[Any] = _NUMBERS.split(key.key)
    parts[1::2] = map(int, parts[1::2])
    return parts
