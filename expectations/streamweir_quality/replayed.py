"""What was replayed, as Kafka holds it: the messages that a batch computation of a run begins with.

A run may have ten million of them: they are written to a file per topic as they are read, some at a time.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from streamweir.broker.records import Record, log_end, read_topic
from streamweir.claims import Claim, fetch, most_bytes_of_env
from streamweir.connections import KafkaConnection
from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import ObjectKey
from streamweir.contracts.tables import Payload, Pipeline, Topic
from streamweir.duck import ROWS_AT_ONCE, sorting
from streamweir.errors import BadConfiguration, RejectRecord
from streamweir.objectstore import ObjectStore
from streamweir_quality.carried import Carried, after
from streamweir_quality.messages import Message, read_messages, write_messages, write_published

Lateness = Callable[[str], int]
"""How late a message may be in a run, in seconds."""


@dataclass(frozen=True)
class Replayed:
    """What a stream holds, up to the last message that the run's tables account for.

    run: the run's id. carried: what is known of the messages before these. left: the same of what later runs
    need no message of, but for its tables. messages: by input topic a file of `MESSAGES`, without the late
    ones, in the order in which each partition holds them; objects in place of the claims to them. published:
    by output topic a file of `PUBLISHED`, what the scorer made of the stream's other runs, which were checked
    in their time; a lookback, a duplicate and a sum so far reach into it.
    """

    run: str
    carried: Carried
    left: Carried
    messages: Mapping[str, Path]
    published: Mapping[str, Path] = field(default_factory=dict)

    def of(self, topic: Topic) -> Iterator[Message]:
        """The messages of an input topic."""
        return read_messages(self.messages[topic.name])

    def ends(self, topic: Topic) -> list[int]:
        """The ts of each message of an input topic that is an end (`Headers.is_end`), ascending."""
        headers = pq.read_table(self.messages[topic.name], columns=list(Headers._fields))
        without_rows = headers.filter(pc.field("rows") == 0).to_pylist()
        return sorted({headers.ts for one in without_rows if (headers := Headers(**one)).is_end})


@dataclass(frozen=True)
class Stretch:
    """Which messages of a stream a run is worked out from.

    carried: what is known before the first of them. until: the sequence before which they end. left_before:
    the sequence before which later runs need none. alone: whether the run asks nothing of other runs.
    """

    carried: Carried
    until: int
    left_before: int
    alone: bool


def read_replayed(
    kafka: KafkaConnection,
    store: ObjectStore,
    run: Run,
    pipeline: Pipeline,
    stretch: Stretch,
    lateness: Lateness,
    folder: Path,
) -> Replayed:
    """Read a stretch of the stream, and the objects that its messages name; files go into `folder`.

    Raises BadConfiguration when some of it was deleted; errors as in `streamweir.claims.fetch`.
    """
    folder.mkdir()
    carried, messages = stretch.carried, {}
    for read in pipeline.reads:
        topic = read.topic
        records = read_topic(kafka, topic.of(run.stream), start=carried.offsets.get(topic.name))
        found = in_turn(topic, records, carried.next_sequence)
        whole = _whole(found, topic.of(run.stream), run, stretch)
        if read.payload is Payload.REFERENCE:
            whole = with_objects(whole, store)
        messages[topic.name] = write_messages(folder / f"{topic.name}.parquet", whole)
    left = after(carried, messages, stretch.left_before)
    leave_out_late(messages.values(), lateness, folder, carried.max_ts)
    published = {}
    others = set() if stretch.alone else _runs(messages.values()) - {run.id}
    if others:
        for output in pipeline.outputs:
            if output.name != REJECTED.name:
                name = output.of(run.stream)
                # As in the ledger: another stream's open transaction on a shared topic is waited for.
                made = read_topic(kafka, name, start=carried.published.get(name), end=log_end(kafka, name))
                file = folder / f"{output.name}.parquet"
                published[output.name] = write_published(file, of_runs(others, made))
    return Replayed(run.id, carried, left, messages, published)


def in_turn(topic: Topic, records: Iterable[Record], first: int = 0) -> Iterator[Message]:
    """The records of a topic that a replay sent, from the sequence `first` on.

    All others break the dense row of sequences.
    """
    due = {partition: first + (partition - first) % topic.partitions for partition in range(topic.partitions)}
    for record in records:
        headers = record.headers
        if headers is not None and headers.sequence == due.get(record.partition):
            due[record.partition] += topic.partitions
            yield Message(record.partition, record.offset, headers, record.value)


def with_objects(messages: Iterable[Message], store: ObjectStore) -> Iterator[Message]:
    """The messages in turn, with the object that a batch names in place of its own bytes.

    A claim that cannot be used stays as it is: it holds no rows. So does one to an object that a message of
    the run has named before, as one of so many rows: two that say otherwise are not both right.
    """
    most_bytes, named = most_bytes_of_env(), set[tuple[str, ObjectKey, int]]()
    for message in sorted(messages, key=lambda one: one.headers.sequence):
        value = message.value
        if message.headers.kind is Kind.BATCH:
            with suppress(RejectRecord):
                claim = Claim.read(value)
                place = message.headers.run, claim.key, message.headers.rows
                if place not in named:
                    value = fetch(store, claim, most_bytes)
                named.add(place)
        yield replace(message, value=value)


def _whole(messages: Iterable[Message], topic: str, run: Run, stretch: Stretch) -> Iterator[Message]:
    """The messages of a stretch, each of which the scorer has worked on."""
    count, first, of = 0, stretch.carried.next_sequence, stretch.until - stretch.carried.next_sequence
    for message in messages:
        if message.headers.sequence < stretch.until:
            count += 1
            yield message
    if count < of:
        raise BadConfiguration(
            f"topic {topic} holds {count:,} of {of:,} messages from sequence {first} on, and run {run.id} "
            "needs them all: the others were deleted, and no earlier run of the stream left what it asks of "
            "them. Take another stream id, and validate each run while its records are kept"
        )


def of_runs(runs: Iterable[str], records: Iterable[Record]) -> Iterator[tuple[str, bytes]]:
    """Run and value of what was published for these runs."""
    wanted = {run.encode(): run for run in runs}
    for record in records:
        run = wanted.get(dict(record.raw_headers).get("run", b""))
        if run is not None:
            yield run, record.value


def leave_out_late(files: Iterable[Path], lateness: Lateness, folder: Path, largest: int = 0) -> None:
    """Write anew, without the late messages, the files in which there are some.

    largest: ts of the messages before these.
    """
    with sorting(folder) as sql:
        late = _late(sql, list(map(str, files)), lateness, largest)
    for name, sequences in late.items():
        file, before = Path(name), folder / "before.parquet"
        file.rename(before)
        write_messages(file, (one for one in read_messages(before) if one.headers.sequence not in sequences))
        before.unlink()


def _late(
    sql: duckdb.DuckDBPyConnection, files: list[str], lateness: Lateness, largest: int
) -> dict[str, set[int]]:
    """By file the sequences of the late messages; all topics have one order of sequences."""
    found: defaultdict[str, set[int]] = defaultdict(set)
    headers = sql.read_parquet(files, filename=True).select("sequence, ts, kind, run, filename")
    for share in headers.order("sequence").to_arrow_reader(ROWS_AT_ONCE):
        ts = share["ts"].to_numpy()
        behind = np.maximum(np.maximum.accumulate(ts), largest) - ts
        largest = max(largest, int(ts.max()))
        places = np.flatnonzero(behind)
        for one, seconds in zip(share.take(places).to_pylist(), behind[places].tolist(), strict=True):
            if one["kind"] != Kind.REDRIVE and seconds > lateness(one["run"]):
                found[one["filename"]].add(one["sequence"])
    return found


def _runs(files: Iterable[Path]) -> set[str]:
    """The runs of which there are messages."""
    with duckdb.connect() as sql:
        runs = sql.read_parquet(list(map(str, files))).select("run").distinct().fetchall()
    return {run for (run,) in runs}
