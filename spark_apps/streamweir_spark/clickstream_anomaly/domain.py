"""How `clickstream_anomaly` counts events: each once, into the windows that are not final yet."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from streamweir.contracts.clickstream_anomaly import LATENESS_S, PIPELINE
from streamweir.contracts.clickstream_anomaly.dataset import CLICKSTREAM_KEY, counted_types
from streamweir.contracts.rejected import Reason
from streamweir.contracts.tables import Column
from streamweir.values import identifier
from streamweir_spark.clickstream_anomaly.memory import Seen, Site, Window
from streamweir_spark.clickstream_anomaly.reader import END, Events
from streamweir_spark.core import Judged, Reject, Released, State
from streamweir_spark.decode import canonical


class Domain:
    """Sums events up in windows; see `streamweir_spark.core.Domain`.

    An event is a duplicate when the one seen before it with its id is at most the lateness away from it. A
    window is final once no event can fall into it without being late, or once its replay has ended.
    event_types: what the dataset's types count as, as `counted_types` reads it.
    """

    reads = PIPELINE.reads
    scored_columns: tuple[Column, ...] = ()

    def __init__(self, lateness_s: int = LATENESS_S, event_types: str | None = None) -> None:
        self.lateness_s, self._counts_as = lateness_s, counted_types(event_types)
        self.load(None)

    def load(self, state: State | None) -> None:
        """Go on from a state, or from nothing."""
        seen, site = state.working if state else (None, None)
        self.seen, self.site = Seen(seen, self.lateness_s), Site(site, self._counts_as)
        self.final: list[Window] = []

    def dump(self, max_ts: int | None) -> State:
        """The state without the ids that no event can repeat any more."""
        now = max_ts if self.site.last is None else self.site.last
        if now is not None:
            self.seen.forget(now)
        return State((self.seen.found, self.site.state()))

    def use(self, topic: str, ts: int, rows: Any) -> tuple[int, Iterable[Judged]]:
        """Count the events of a message, or end the replay with its flush."""
        if rows == END:
            self.final += self.site.end()
            return 0, ()
        events = Events(*rows)
        refused = list(self._refused(ts, events))
        return len(events.ids) - len(refused), refused

    def prepare(self, messages: Sequence[Released]) -> list[Any]:
        """The rows as they are: nothing is scored row by row."""
        return [message.rows for message in messages]

    def score(self, run: str, ts: int, rows: Any) -> Iterator[Judged]:
        """Nothing is scored row by row."""
        raise NotImplementedError

    def closed(self, max_ts: int | None) -> Iterable[tuple[object, ...]]:
        """The windows that are final since the last time this was asked, by start."""
        if self.site.last is not None:
            self.final += self.site.windows(self.site.last - self.lateness_s)
        found, self.final = self.final, []
        return map(tuple, found)

    def late(self, topic: str, ts: int, rows: Any) -> Iterator[Reject]:
        """The events of a late message, each as its key columns; a late flush ends nothing."""
        if rows == END:
            return
        events = Events(*rows)
        detail = f"ts {ts} is more than {self.lateness_s} s behind a message that was sent before"
        for index, (place, name) in enumerate(zip(events.places, events.ids, strict=True)):
            yield Reject(place, 1, identifier(name), detail, _raw(events, index))

    def _refused(self, ts: int, events: Events) -> Iterator[Judged]:
        """Count the events that can be counted; gives the others."""
        if events.own_ts is not None:
            yield from self._refused_again(events.own_ts, events)
            return
        again = self.seen.add(events.ids, ts)
        self._count(ts, events, again)
        yield from (_duplicate(events, index) for index in again)

    def _refused_again(self, own_ts: Sequence[int], events: Events) -> Iterator[Judged]:
        """The same for redriven events, which are as old as they were."""
        for index, ts in enumerate(own_ts):
            if self.site.is_final(ts, self.lateness_s):
                yield _judged(events, index, Reason.LATE, f"ts {ts} lies in a window that is final")
            elif self.seen.add([events.ids[index]], ts):
                yield _duplicate(events, index)
            else:
                self.site.add(ts, [events.sessions[index]], [events.types[index]])

    def _count(self, ts: int, events: Events, left_out: list[int]) -> None:
        sessions, types = list(events.sessions), list(events.types)
        for index in reversed(left_out):
            del sessions[index], types[index]
        if types:
            self.site.add(ts, sessions, types)


def _duplicate(events: Events, index: int) -> Judged:
    detail = f"event {events.ids[index][:80]!r} was seen before"
    return _judged(events, index, Reason.DUPLICATE, detail)


def _judged(events: Events, index: int, reason: Reason, detail: str) -> Judged:
    place, name = events.places[index], identifier(events.ids[index])
    return Judged(place, name, None, reason.value, detail, _raw(events, index))


def _raw(events: Events, index: int) -> bytes:
    columns = (events.ids, events.times, events.sessions, events.types)
    key = (column[index] for column in columns)
    return canonical(dict(zip(CLICKSTREAM_KEY, key, strict=True)))
