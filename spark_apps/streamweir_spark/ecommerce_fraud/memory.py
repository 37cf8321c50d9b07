"""What a shard remembers of a stream: browsing rows within reach, and which transactions were scored."""

from array import array
from hashlib import blake2b
from itertools import accumulate, chain, pairwise

_ID_BYTES = 16
_ROW = 3

State = tuple[list[str], bytes, bytes, bytes, bytes]


class Memory:
    """Browsing rows by session, flat as `features.visit` takes them, and when which ids were scored.

    scored: the ts by an id's digest. retention_s: for how long it makes duplicates, on the virtual clock.

    The state is written and read in every micro-batch and holds far more rows than a micro-batch brings:
    so it is a few long byte strings, not many small objects.
    """

    def __init__(self, retention_s: int, state: State | None = None) -> None:
        self._retention_s = retention_s
        names, lengths, numbers, ids, times = state or ([], b"", b"", b"", b"")
        flat = _ints("q", numbers)
        ends = accumulate(_ints("q", lengths), initial=0)
        self.sessions = {
            name: flat[start:end] for name, (start, end) in zip(names, pairwise(ends), strict=True)
        }
        digests = (ids[place : place + _ID_BYTES] for place in range(0, len(ids), _ID_BYTES))
        self.scored = dict(zip(digests, _ints("q", times), strict=True))

    def first_time(self, session: str, transaction: str, ts: int) -> bool:
        """Whether this transaction was not scored within the retention; now it is, at `ts`."""
        digest = blake2b(f"{len(session)}:{session}{transaction}".encode(), digest_size=_ID_BYTES).digest()
        before = self.scored.get(digest)
        if before is not None and ts - before <= self._retention_s:
            return False
        self.scored[digest] = ts
        return True

    def dump(self, now: int | None, lookback_s: int) -> State:
        """The state without the rows that are more than the lookback older than `now`, and without the ids
        that make no duplicates from then on."""
        if now is not None:
            self._forget(now - lookback_s)
            oldest = now - self._retention_s
            self.scored = {digest: ts for digest, ts in self.scored.items() if ts >= oldest}
        lengths = array("q", map(len, self.sessions.values()))
        numbers = array("q", chain.from_iterable(self.sessions.values()))
        times = array("q", self.scored.values())
        names, ids = list(self.sessions), b"".join(self.scored)
        return names, lengths.tobytes(), numbers.tobytes(), ids, times.tobytes()

    def _forget(self, oldest_ts: int) -> None:
        kept = {}
        for name, rows in self.sessions.items():
            if min(rows[::_ROW]) < oldest_ts:
                rows = _since(rows, oldest_ts)
            if rows:
                kept[name] = rows
        self.sessions = kept


def _since(rows: list[int], oldest_ts: int) -> list[int]:
    numbers = iter(rows)
    kept = [row for row in zip(numbers, numbers, numbers, strict=True) if row[0] >= oldest_ts]
    return list(chain.from_iterable(kept))


def _ints(code: str, numbers: bytes) -> list[int]:
    found = array(code)
    found.frombytes(numbers)
    return found.tolist()
