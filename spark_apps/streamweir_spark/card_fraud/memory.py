"""Which transactions of a stream were scored: a bit each."""

from collections.abc import Mapping

_CHUNK = 1 << 16
"""Transactions whose bits lie together. Row numbers are dense, so that few chunks hold many of them."""


class Scored:
    """The ids that were scored; `step` is what the ids of a shard are apart."""

    def __init__(self, chunks: Mapping[int, bytes] | None = None, step: int = 1) -> None:
        self._chunks = {number: bytearray(bits) for number, bits in (chunks or {}).items()}
        self._step = step

    def first_time(self, number: int) -> bool:
        """Whether this transaction was not scored before; from now on it was."""
        chunk, place = divmod(number // self._step, _CHUNK)
        bits = self._chunks.get(chunk)
        if bits is None:
            bits = self._chunks[chunk] = bytearray(_CHUNK // 8)
        byte, bit = place >> 3, 1 << (place & 7)
        if bits[byte] & bit:
            return False
        bits[byte] |= bit
        return True

    def dump(self) -> dict[int, bytes]:
        """The bits, as the constructor takes them."""
        return {number: bytes(bits) for number, bits in self._chunks.items()}
