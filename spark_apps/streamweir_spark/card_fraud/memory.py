"""Which transactions of a stream were scored: a bit each. A transaction's number is unique within its run."""

from dataclasses import dataclass, field

from streamweir.contracts.messages import REMEMBERED_S

_CHUNK = 1 << 16
"""Transactions whose bits lie together. Row numbers are dense, so that few chunks hold many of them."""

State = dict[str, tuple[int, dict[int, bytes]]]
"""By run the ts of its last transaction, and by chunk the bits."""


@dataclass
class _Run:
    last_ts: int = 0
    chunks: dict[int, bytearray] = field(default_factory=dict)


class Scored:
    """The ids that were scored; `step` is what the ids of a shard are apart."""

    def __init__(self, state: State | None = None, step: int = 1) -> None:
        self._runs = {
            run: _Run(last_ts, {number: bytearray(bits) for number, bits in chunks.items()})
            for run, (last_ts, chunks) in (state or {}).items()
        }
        self._step = step

    def first_time(self, run: str, number: int, ts: int) -> bool:
        """Whether this transaction of the run was not scored before; from now on it was."""
        chunk, place = divmod(number // self._step, _CHUNK)
        known = self._runs.setdefault(run, _Run())
        bits = known.chunks.setdefault(chunk, bytearray(_CHUNK // 8))
        byte, bit = place >> 3, 1 << (place & 7)
        if bits[byte] & bit:
            return False
        bits[byte] |= bit
        known.last_ts = max(known.last_ts, ts)
        return True

    def dump(self, now: int | None = None) -> State:
        """The bits, as the constructor takes them, without the runs that ended long before `now`."""
        oldest = (now or 0) - REMEMBERED_S
        return {
            name: (run.last_ts, {number: bytes(bits) for number, bits in run.chunks.items()})
            for name, run in self._runs.items()
            if run.last_ts >= oldest
        }
