"""Hostile messages of many kinds, made from a seed and mixed into a replay of any pipeline.

The replay's own code sends them, between its good batches and inside them: malformed and late ones in their
turn, with the headers of a replay; foreign ones beside them. What each must be called is counted on the way.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from streamweir.broker.transactions import TransactionalWriter
from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.tables import Pipeline
from streamweir.replay import parcels, transmission
from streamweir.replay.deliveries import Delivery, Message, Value
from streamweir.replay.parcels import Parcel

HUGE = 900_000
FIRST_BATCH = 1_000_000
"""The index of the first hostile batch: no good one has it."""

Rows = list[dict[str, Any]]
Cell = tuple[str, int, str]
"""Topic, batch index and reason."""


def _with(rows: Rows, value: Callable[[Random, Any], Any], random: Random) -> bytes:
    """The rows with another value in one of their columns."""
    spoilt = []
    for row in rows:
        name = random.choice([name for name in row if name != "ts"])
        spoilt.append(row | {name: value(random, row[name])})
    return json.dumps(spoilt).encode()


def _twice(rows: Rows, random: Random) -> bytes:
    texts = []
    for row in rows:
        name = random.choice(list(row))
        texts.append(f"{json.dumps(row)[:-1]}, {json.dumps(name)}: {json.dumps(row[name])}}}")
    return f"[{','.join(texts)}]".encode()


def _at_a_quote(value: bytes, random: Random, inserted: bytes) -> bytes:
    place = random.choice([at for at, byte in enumerate(value) if byte == ord('"')]) + 1
    return value[:place] + inserted + value[place:]


def _nested(random: Random, depth: int) -> bytes:
    opened, closed = random.choice([(b"[", b"]"), (b'{"a":', b"}")])
    return b"[" + opened * depth + b"1" + closed * depth + b"]"


def _dumped(rows: Rows) -> bytes:
    return json.dumps(rows).encode()


WRONG = (None, True, [], {}, 1.5, ["x"], {"a": {"b": []}}, -1, 2**63)

SPOILT_ROWS: dict[str, Callable[[Rows, Random], bytes]] = {
    "no columns": lambda rows, random: _dumped([{"ts": row["ts"]} for row in rows]),
    "empty values": lambda rows, random: _dumped(
        [{**dict.fromkeys(row, ""), "ts": row["ts"]} for row in rows]
    ),
    "text as number": lambda rows, random: _with(rows, lambda _, text: len(text), random),
    "wrong type": lambda rows, random: _with(rows, lambda dice, _: dice.choice(WRONG), random),
    "key twice": _twice,
    "ts as text": lambda rows, random: _dumped([row | {"ts": str(row["ts"])} for row in rows]),
    "ts as fraction": lambda rows, random: _dumped([row | {"ts": float(row["ts"])} for row in rows]),
    "ts of the past": lambda rows, random: _dumped([row | {"ts": row["ts"] - 1} for row in rows]),
    "ts from the future": lambda rows, random: _dumped([row | {"ts": row["ts"] + 86_400} for row in rows]),
    "no ts": lambda rows, random: _dumped([{n: v for n, v in row.items() if n != "ts"} for row in rows]),
    "huge without columns": lambda rows, random: _dumped(
        [{"x": "x" * HUGE, "ts": row["ts"]} for row in rows[:1]]
    ),
}
"""Messages that are lists of objects, in which every object is malformed."""

SPOILT_MESSAGES: dict[str, Callable[[bytes, Rows, Random], bytes]] = {
    "nothing": lambda value, rows, random: b"",
    "truncated": lambda value, rows, random: value[: random.randrange(1, len(value))],
    "huge and truncated": lambda value, rows, random: b'[{"a":"' + b"x" * HUGE,
    "huge list of numbers": lambda value, rows, random: b"[" + b"1," * (HUGE // 2) + b"1]",
    "said twice": lambda value, rows, random: value + value,
    "not UTF-8": lambda value, rows, random: _at_a_quote(value, random, b"\xff\xfe"),
    "half a character": lambda value, rows, random: _at_a_quote(value, random, b"\\ud800"),
    "NUL bytes": lambda value, rows, random: _at_a_quote(value, random, b"\x00\x00"),
    "UTF-16": lambda value, rows, random: value.decode().encode("utf-16"),
    "noise": lambda value, rows, random: b"\x00" + random.randbytes(random.randrange(200)),
    "no list": lambda value, rows, random: random.choice([b"7", b"null", b'"[]"', b"{}", b'{"a":1}', b"-0"]),
    "list of others": lambda value, rows, random: random.choice(
        [b"[1]", b"[null]", b"[[]]", b'["x"]', b"[[{}]]"]
    ),
    "NaN": lambda value, rows, random: _with(rows, lambda dice, _: float("nan"), random),
    "Infinity": lambda value, rows, random: _with(rows, lambda dice, _: float("-inf"), random),
    "number beyond all": lambda value, rows, random: b'[{"a":1e999}]',
    "nested": lambda value, rows, random: _nested(random, random.choice([3, 200, 800])),
    "nested very deeply": lambda value, rows, random: _nested(
        random, random.choice([1_100, 50_000, 200_000])
    ),
}
"""Messages that are malformed as a whole."""


@dataclass(frozen=True)
class Raw(Sequence[Any]):
    """Rows that travel as these bytes, whatever they are. announced: how many rows the header tells of."""

    value: bytes
    announced: int

    def __len__(self) -> int:
        return self.announced

    def __getitem__(self, index: Any) -> Any:
        raise IndexError(index)


@dataclass
class Hostile:
    """What is mixed into a replay: per good batch so many hostile ones, and so many foreign messages.

    The same seed gives the same. expected: rows by topic, batch and reason. messages: by kind, malformed ones
    and late ones. foreign: how many foreign messages were sent.
    """

    pipeline: Pipeline
    seed: int
    hostile_per_batch: int
    foreign_per_batch: int
    expected: Counter[Cell] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    foreign: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random, self._dice = Random(self.seed), Random(self.seed + 1)

    def mix_into(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the replays of this test send all that, as long as the patch holds."""
        deliveries, write = parcels.deliveries, transmission.Transmission._write

        def mixed(
            batches: Any, plan: Any, pipeline: Pipeline, value: Value, *more: Any
        ) -> Iterator[Delivery]:
            return self.mixed(deliveries(batches, plan, pipeline, value, *more), value, plan.first_sequence)

        def write_more(sending: Any, writer: TransactionalWriter, parcel: Parcel) -> None:
            write(sending, writer, parcel)
            for message in parcel.messages(sending._run.id):
                for partition, other in self.foreign_after(message):
                    writer.send(sending._run.stream.topic(other.topic), partition, other.value, other.headers)

        monkeypatch.setattr(parcels, "deliveries", mixed)
        monkeypatch.setattr(transmission.Transmission, "_write", write_more)

    def mixed(self, good: Iterable[Delivery], value: Value, sequence: int) -> Iterator[Delivery]:
        """The good deliveries and the hostile ones, from this sequence on."""
        batch = FIRST_BATCH
        for delivery in good:
            if delivery.kind is not Kind.BATCH:
                yield delivery._replace(sequence=sequence)
                continue
            spoilt = self._with_spoilt_rows(delivery, value)
            yield _holding(delivery._replace(sequence=sequence), spoilt, value)
            sequence += 1
            for _ in range(self.hostile_per_batch):
                yield self._hostile(delivery._replace(sequence=sequence, batch=batch), value)
                sequence, batch = sequence + 1, batch + 1

    def _with_spoilt_rows(self, delivery: Delivery, value: Value) -> Mapping[str, Sequence[Any]]:
        """The batch's good rows, some malformed ones among them."""
        found: dict[str, Sequence[Any]] = {}
        for topic, rows in delivery.rows.items():
            good = [row.encode() for row in map(json.dumps, json.loads(value(rows, delivery.ts)))]
            for _ in range(self._random.randrange(4) if rows else 0):
                kind = self._random.choice([kind for kind in SPOILT_ROWS if "huge" not in kind])
                base = json.loads(value([self._random.choice(rows)], delivery.ts))
                good.insert(
                    self._random.randrange(len(good) + 1), SPOILT_ROWS[kind](base, self._random)[1:-1]
                )
                self.expected[topic, delivery.batch, "malformed"] += 1
                self.messages[f"{kind}, in a good batch"] += 1
            found[topic] = Raw(b"[" + b",".join(good) + b"]", len(good))
        return found

    def _hostile(self, delivery: Delivery, value: Value) -> Delivery:
        if self._random.random() < 0.05:
            return self._late(delivery, value)
        rows = {topic: self._malformed(delivery, topic, value) for topic in delivery.rows}
        return _holding(delivery, rows, value)

    def _late(self, delivery: Delivery, value: Value) -> Delivery:
        """Good rows that come too late."""
        ts = delivery.ts - self.pipeline.lateness_s - self._random.randrange(1, 10_000)
        rows = {topic: self._sample(rows) for topic, rows in delivery.rows.items()}
        for topic, some in rows.items():
            self.expected[topic, delivery.batch, "late"] += len(some)
            self.messages["late"] += bool(some)
        return _holding(delivery._replace(ts=ts), rows, value)

    def _malformed(self, delivery: Delivery, topic: str, value: Value) -> Raw:
        sample = self._sample(delivery.rows[topic])
        text = value(sample, delivery.ts)
        rows, kind = json.loads(text), self._kind(bool(sample))
        announced = len(rows)
        if kind in SPOILT_ROWS:
            spoilt = SPOILT_ROWS[kind](rows, self._random)
            announced = 1 if "huge" in kind else announced
        elif kind in SPOILT_MESSAGES:
            spoilt = SPOILT_MESSAGES[kind](text, rows, self._random)
        else:
            spoilt, announced = text, announced + self._random.choice([1, 7, 1_000])
        self.expected[topic, delivery.batch, "malformed"] += announced
        self.messages[kind] += 1
        return Raw(spoilt, announced)

    def _kind(self, rows: bool) -> str:
        """Any kind; those that make 900 kB seldom, and without rows only what needs none."""
        needless = (
            "nothing",
            "noise",
            "no list",
            "list of others",
            "nested",
            "nested very deeply",
            "wrong number of rows",
        )
        if not rows:
            return self._random.choice(needless)
        kinds = [*SPOILT_ROWS, *SPOILT_MESSAGES, "wrong number of rows"]
        kind = self._random.choice(kinds)
        heavy = "huge" in kind or "very deeply" in kind
        return self._random.choice(kinds[:4]) if heavy and self._random.random() < 0.95 else kind

    def _sample(self, rows: Sequence[Any]) -> list[Any]:
        return self._random.choices(rows, k=self._random.randrange(1, 4)) if rows else []

    def foreign_after(self, message: Message) -> Iterator[tuple[int, Message]]:
        """Messages that belong to no replay, to be sent after one that does, and their partitions."""
        said = Headers.decode(message.headers)
        assert said is not None
        partitions = next(topic.partitions for topic in self.pipeline.inputs if topic.name == message.topic)
        share = self.foreign_per_batch / (1 + self.hostile_per_batch) / len(self.pipeline.inputs)
        for _ in range(int(share) + (self._dice.random() < share % 1)):
            kind = self._dice.choice(list(FOREIGN))
            partition, headers = FOREIGN[kind](said, partitions, self._dice)
            self.foreign[kind] += 1
            yield partition, Message(message.topic, message.value[:2_000] or b"?", headers)


def _holding(delivery: Delivery, rows: Mapping[str, Sequence[Any]], value: Value) -> Delivery:
    """The delivery with other rows; those that are `Raw` travel as they are."""
    values = {
        topic: some.value if isinstance(some, Raw) else value(some, delivery.ts)
        for topic, some in rows.items()
    }
    return delivery._replace(rows=rows, values=values)


Foreign = Callable[[Headers, int, Random], tuple[int, list[tuple[str, bytes]]]]
"""From the headers of a message and the number of partitions: another message's partition and headers."""


def _anywhere(headers: Callable[[Headers, Random], list[tuple[str, bytes]]]) -> Foreign:
    return lambda said, partitions, random: (random.randrange(partitions), headers(said, random))


def _changed(said: Headers, random: Random, values: Sequence[bytes]) -> list[tuple[str, bytes]]:
    name, value = random.choice(["batch", "sequence", "ts", "rows", "kind"]), random.choice(values)
    return [(key, value if key == name else old) for key, old in said.encode()]


FOREIGN: dict[str, Foreign] = {
    "no headers": _anywhere(lambda said, random: []),
    "other headers": _anywhere(lambda said, random: [("traceparent", b"00-\xff"), ("x", b"")]),
    "a header missing": _anywhere(lambda said, random: random.sample(said.encode(), 5)),
    "a header twice": _anywhere(lambda said, random: [*said.encode(), random.choice(said.encode())]),
    "unreadable headers": _anywhere(
        lambda said, random: _changed(said, random, [b"", b"-1", b"1.5", b"\xff", b"9" * 30, b"nan"])
    ),
    "from the future": lambda said, partitions, random: (
        said.sequence % partitions,
        said._replace(sequence=said.sequence + partitions * random.randrange(1_000_000, 2_000_000)).encode(),
    ),
    "beyond the year 9999": _anywhere(lambda said, random: said._replace(ts=10**17).encode()),
    "sent again": lambda said, partitions, random: (said.sequence % partitions, said.encode()),
    "in another partition": lambda said, partitions, random: (
        (said.sequence + 1) % partitions,
        said.encode(),
    ),
}
