"""Which transactions of a stream were scored: a bit each. A transaction's number is unique within its run."""

from collections import defaultdict

_CHUNK = 1 << 16
"""Transactions whose bits lie together. Row numbers are dense, so that few chunks hold many of them."""

State = dict[str, dict[int, bytes]]
"""By run and chunk the bits."""


class Scored:
    """The ids that were scored; `step` is what the ids of a shard are apart."""

    def __init__(self, state: State | None = None, step: int = 1) -> None:
        self._runs: defaultdict[str, dict[int, bytearray]] = defaultdict(dict)
        for run, chunks in (state or {}).items():
            self._runs[run] = {number: bytearray(bits) for number, bits in chunks.items()}
        self._step = step

    def first_time(self, run: str, number: int) -> bool:
        """Whether this transaction of the run was not scored before; from now on it was."""
        chunk, place = divmod(number // self._step, _CHUNK)
        bits = self._runs[run].setdefault(chunk, bytearray(_CHUNK // 8))
        byte, bit = place >> 3, 1 << (place & 7)
        if bits[byte] & bit:
            return False
        bits[byte] |= bit
        return True

    def dump(self) -> State:
        """The bits, as the constructor takes them."""
        return {
            run: {number: bytes(bits) for number, bits in chunks.items()}
            for run, chunks in self._runs.items()
        }
