"""What is remembered of a clickstream: the events of the open windows, and the ids seen lately."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from streamweir.contracts.clickstream_anomaly import SLIDE_S, WINDOW_S
from streamweir.contracts.clickstream_anomaly.dataset import Event
from streamweir.values import identifiers

_COUNTED = tuple(Event)


class Window(NamedTuple):
    """A window's sums. start: Unix seconds. complete: whether the replay's first and last event spare it."""

    start: int
    page_views: int
    active_sessions: int
    checkout_starts: int
    checkout_completes: int
    purchases: int
    complete: bool


class Slot(NamedTuple):
    """The events of one slide, which the windows are made of: how many of each counted type, and whose."""

    counts: list[int]
    sessions: set[str]


class Seen:
    """Event ids and the ts that each was last seen at, as far as a duplicate may still come."""

    def __init__(self, found: dict[str, int] | None, lateness_s: int) -> None:
        self.found = found or {}
        self._lateness_s = lateness_s

    def add(self, ids: Sequence[str], ts: int) -> list[int]:
        """Enter a message's event ids; gives the indexes of those that were seen within the lateness."""
        names = identifiers(ids)
        if self.found.keys().isdisjoint(names) and len(set(names)) == len(names):
            self.found.update(dict.fromkeys(names, ts))
            return []
        return [index for index, name in enumerate(names) if self._again(name, ts)]

    def forget(self, ts: int) -> None:
        """Drop the ids that no event can repeat after `ts` without being late, or in a final window."""
        oldest = ts - 2 * self._lateness_s - WINDOW_S
        self.found = {name: seen for name, seen in self.found.items() if seen >= oldest}

    def _again(self, name: str, ts: int) -> bool:
        before = self.found.get(name)
        self.found[name] = ts
        return before is not None and abs(ts - before) <= self._lateness_s


class Site:
    """The events of the replay that is under way, in slots, from which its windows are put out in order.

    first, last: the ts of its events so far. final: windows that start before this are out. counts_as: the
    event types that are counted, and as which of ours.
    """

    def __init__(self, state: tuple[Any, ...] | None, counts_as: Mapping[str, Event]) -> None:
        self._places = [(name, _COUNTED.index(event)) for name, event in counts_as.items()]
        self.first, self.last, self.final, slots = state or (None, None, -WINDOW_S, ())
        self.slots = {start: Slot(counts, set(sessions)) for start, counts, sessions in slots}

    def state(self) -> tuple[Any, ...]:
        """The site as plain values."""
        slots = [(start, slot.counts, list(slot.sessions)) for start, slot in self.slots.items()]
        return self.first, self.last, self.final, slots

    def is_final(self, ts: int, lateness_s: int) -> bool:
        """Whether a window of an event of this ts is final; then it cannot be counted any more."""
        start = _first_window(ts)
        return start < self.final or (self.last is not None and start + WINDOW_S <= self.last - lateness_s)

    def add(self, ts: int, sessions: Sequence[str], types: Sequence[str]) -> None:
        """Count events of one ts."""
        self.first = ts if self.first is None else min(self.first, ts)
        self.last = ts if self.last is None else max(self.last, ts)
        slot = self.slots.setdefault(ts // SLIDE_S * SLIDE_S, Slot([0] * len(_COUNTED), set()))
        slot.sessions.update(identifiers(sessions))
        for name, place in self._places:
            slot.counts[place] += types.count(name)

    def windows(self, until: int) -> Iterator[Window]:
        """Put out the windows that end at `until` or before, also those without any event; nothing after the
        last event."""
        if self.first is None or self.last is None:
            return
        start = max(self.final, _first_window(self.first))
        while start <= self.last and start + WINDOW_S <= until:
            yield self._window(start, self.first, self.last)
            start += SLIDE_S
            self.final = start
        self.slots = {at: slot for at, slot in self.slots.items() if at >= self.final}

    def end(self) -> Iterator[Window]:
        """Put out all windows of the replay; the next one begins anew."""
        if self.last is not None:
            yield from self.windows(self.last + 2 * WINDOW_S)
        self.first = self.last = None

    def _window(self, start: int, first: int, last: int) -> Window:
        slots = [self.slots[at] for at in range(start, start + WINDOW_S, SLIDE_S) if at in self.slots]
        counts = [sum(each) for each in zip(*(slot.counts for slot in slots), strict=True)]
        page_views, starts, completes, purchases = counts or [0] * len(_COUNTED)
        sessions = len(set().union(*(slot.sessions for slot in slots)))
        complete = first <= start and start + WINDOW_S <= last + 1
        return Window(start, page_views, sessions, starts, completes, purchases, complete)


def _first_window(ts: int) -> int:
    """The start of the first window that holds a moment."""
    return ts // SLIDE_S * SLIDE_S - WINDOW_S + SLIDE_S
