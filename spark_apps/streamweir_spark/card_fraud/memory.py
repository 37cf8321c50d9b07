"""Which transactions of a stream were scored, and when. A transaction's number is unique within its run."""

from array import array

_CHUNK = 1 << 12
"""Transactions whose times lie together. Row numbers are dense, so that few chunks hold many of them."""
_NEVER = -1

Chunk = tuple[int, bytes]
"""The ts of the transaction scored last, and of each the ts at which it was scored, 8 bytes; or -1."""
State = dict[str, dict[int, Chunk]]
"""By run and number of the chunk."""


class Scored:
    """The ids that were scored; `step` is what the ids of a shard are apart.

    retention_s: for how long, on the virtual clock, an id that was scored makes duplicates.
    """

    def __init__(self, retention_s: int, state: State | None = None, step: int = 1) -> None:
        self._retention_s = retention_s
        self._stored = {run: dict(chunks) for run, chunks in (state or {}).items()}
        self._step = step
        self._open: dict[tuple[str, int], array[int]] = {}

    def first_time(self, run: str, number: int, ts: int) -> bool:
        """Whether this transaction of the run was not scored within the retention; now it is, at `ts`."""
        chunk, place = divmod(number // self._step, _CHUNK)
        times = self._open.get((run, chunk)) or self._opened(run, chunk)
        if times[place] != _NEVER and ts - times[place] <= self._retention_s:
            return False
        times[place] = ts
        return True

    def dump(self, now: int | None = None) -> State:
        """The times, as the constructor takes them, without those that make no duplicates from `now` on."""
        for (run, chunk), times in self._open.items():
            self._stored.setdefault(run, {})[chunk] = max(times), times.tobytes()
        self._open.clear()
        oldest = (now or 0) - self._retention_s
        kept = {
            run: {number: chunk for number, chunk in chunks.items() if chunk[0] >= oldest}
            for run, chunks in self._stored.items()
        }
        return {run: chunks for run, chunks in kept.items() if chunks}

    def _opened(self, run: str, chunk: int) -> "array[int]":
        _, stored = self._stored.get(run, {}).get(chunk, (_NEVER, b""))
        times = array("q", stored) if stored else array("q", [_NEVER]) * _CHUNK
        self._open[run, chunk] = times
        return times
