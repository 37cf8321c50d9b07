"""Times as microseconds, read fast: the times of a stream share their minutes, and their seconds repeat."""

from collections.abc import Mapping, Sequence

from streamweir.values import parse_time

_REMEMBERED = 100_000
_LONGEST_REST = 16


class TimeReader:
    """`values.parse_time` for many times: each part of a time is parsed once and remembered.

    A time is the sum of its minute, its seconds, and its fraction with its offset, whatever the others are.
    """

    def __init__(self) -> None:
        self._minutes: dict[str, int] = {}
        self._seconds: dict[str, int] = {}
        self._rests: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        """Microseconds since the epoch; raises ValueError with the text when it is no time."""
        try:
            return self._minutes[text[:16]] + self._seconds[text[16:19]] + self._rests[text[19:]]
        except KeyError:
            return self._learn(text)

    def all(self, texts: Sequence[str]) -> list[int]:
        """The same of each of the texts; raises ValueError at the first that is no time."""
        minutes, seconds, rests = self._minutes, self._seconds, self._rests
        try:
            return [minutes[text[:16]] + seconds[text[16:19]] + rests[text[19:]] for text in texts]
        except KeyError:
            return list(map(self, texts))

    def _learn(self, text: str) -> int:
        time = parse_time(text)
        # Never remembered: a number, which is no sum of these parts; and a time of the calendar's first and
        # last years, where a rest with an offset can lead outside it.
        if text[16:17] != ":" or len(text) > 19 + _LONGEST_REST or not "0002" <= text[:4] <= "9998":
            return time
        seconds = _part(self._seconds, text[16:19], "1970-01-01T00:00")
        rest = _part(self._rests, text[19:], "1970-01-01T00:00:00")
        for memory in (self._minutes, self._rests):
            if len(memory) > _REMEMBERED:
                memory.clear()
        self._minutes[text[:16]] = time - seconds - rest
        self._seconds[text[16:19]] = seconds
        self._rests[text[19:]] = rest
        return time


def _part(known: Mapping[str, int], part: str, before: str) -> int:
    found = known.get(part)
    return parse_time(before + part) if found is None else found


moment = TimeReader()
"""Microseconds since the epoch of a time; a worker remembers the parts of those that it has read."""
