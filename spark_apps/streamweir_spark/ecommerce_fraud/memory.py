"""What a shard remembers of a stream: browsing rows within reach, and which transactions were scored."""

from array import array
from hashlib import blake2b
from itertools import accumulate, chain, pairwise

_ID_BYTES = 16
_ROW = 3

State = tuple[list[str], bytes, bytes, bytes]


class Memory:
    """Browsing rows by session, flat as `features.visit` takes them, and digests of the scored ids.

    The state is written and read in every micro-batch and holds far more rows than a micro-batch brings:
    so it is a few long byte strings, not many small objects.
    """

    def __init__(self, state: State | None = None) -> None:
        names, lengths, numbers, ids = state or ([], b"", b"", b"")
        flat = _ints("q", numbers)
        ends = accumulate(_ints("q", lengths), initial=0)
        self.sessions = {
            name: flat[start:end] for name, (start, end) in zip(names, pairwise(ends), strict=True)
        }
        self.scored = dict.fromkeys(ids[place : place + _ID_BYTES] for place in range(0, len(ids), _ID_BYTES))

    def first_time(self, session: str, transaction: str) -> bool:
        """Whether this transaction was not scored before; from now on it was."""
        digest = blake2b(f"{len(session)}:{session}{transaction}".encode(), digest_size=_ID_BYTES).digest()
        if digest in self.scored:
            return False
        self.scored[digest] = None
        return True

    def dump(self, oldest_ts: int | None) -> State:
        """The state without the rows that are older than `oldest_ts`."""
        if oldest_ts is not None:
            self._forget(oldest_ts)
        lengths = array("q", map(len, self.sessions.values()))
        numbers = array("q", chain.from_iterable(self.sessions.values()))
        return list(self.sessions), lengths.tobytes(), numbers.tobytes(), b"".join(self.scored)

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
