"""The broker's own counts: the records that Kafka holds of a run, by their headers."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from streamweir.broker.records import Record
from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.tables import Topic
from streamweir.ledger.counts import Held, Tally, tallies
from streamweir.replay.plan import Offsets, Plan
from streamweir.replay.produced import Manifest


@dataclass(frozen=True)
class Extent:
    """The part of the input topics that belongs to a run, messages without headers included."""

    start: Offsets
    end: Offsets

    @classmethod
    def of(cls, plan: Plan, manifest: Manifest) -> "Extent":
        """From where the topics ended when the run was planned (first run: 0) to its last record."""
        return cls(plan.offsets if plan.first_sequence else {}, manifest.offsets)

    def stretches(self) -> Iterator[tuple[str, int, int, int]]:
        """Topic, partition, first offset and the one after the last, for each partition."""
        for topic, ends in self.end.items():
            for partition, end in ends.items():
                yield topic, partition, self.start.get(topic, {}).get(partition, 0), end

    def __contains__(self, place: tuple[str, int, int]) -> bool:
        topic, partition, offset = place
        first = self.start.get(topic, {}).get(partition, 0)
        return first <= offset < self.end.get(topic, {}).get(partition, 0)


@dataclass
class InputCounts:
    """Counts the records of the input topics, each topic in the order of its offsets.

    A replay fills each partition densely (p, p + n, p + 2n, ...): a message out of turn is nobody's.
    first_sequence: the first that can be met. redriven: the messages with rows that were put back.
    """

    run: str
    extent: Extent
    first_sequence: int
    rows: defaultdict[str, Tally] = field(default_factory=tallies)
    redriven: list[tuple[str, Headers]] = field(default_factory=list)
    messages: Counter[str] = field(default_factory=Counter)
    flushes: Counter[str] = field(default_factory=Counter)
    foreign: Counter[str] = field(default_factory=Counter)
    _next: dict[tuple[str, int], int] = field(default_factory=dict)

    def add(self, topic: Topic, records: Iterable[Record]) -> None:
        """Count the records of a topic, read from where the extent starts."""
        for record in records:
            headers = record.headers
            if headers is None or self._is_stray(topic, record.partition, headers):
                self.foreign[topic.name] += (topic.name, record.partition, record.offset) in self.extent
            elif headers.run == self.run:
                self._count(topic.name, headers)

    def held(self, next_sequence: int, published: Mapping[str, int]) -> Held:
        """What Kafka holds of the run, for a stage that has worked on everything before `next_sequence`.

        published: records on each of the stage's output topics. Rows put back from there on only wait.
        """
        redriven, waiting = tallies(), Counter[str]()
        for topic, headers in self.redriven:
            if headers.sequence < next_sequence:
                redriven[topic].add(headers.batch, headers.rows)
            else:
                waiting[topic] += headers.rows
        return Held(
            rows=self.rows,
            redriven=redriven,
            waiting=waiting,
            messages=self.messages,
            flushes=self.flushes,
            next_sequence=next_sequence,
            foreign=self.foreign,
            published=published,
        )

    def _is_stray(self, topic: Topic, partition: int, headers: Headers) -> bool:
        first = self.first_sequence + (partition - self.first_sequence) % topic.partitions
        expected = self._next.setdefault((topic.name, partition), first)
        if headers.sequence != expected:
            return True
        self._next[topic.name, partition] += topic.partitions
        return False

    def _count(self, topic: str, headers: Headers) -> None:
        if headers.kind is Kind.FLUSH:
            self.flushes[topic] += 1
        elif headers.kind is Kind.BATCH:
            self.messages[topic] += 1
            self.rows[topic].add(headers.batch, headers.rows)
        else:
            self.redriven.append((topic, headers))
