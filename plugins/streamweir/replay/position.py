"""How far a stream's input topics are filled, read back from the topics themselves, and by which runs.

Of the runs the newest is named by an object; each plan names the run before.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from streamweir.broker.records import TopicEnd, log_start, read_topic, topic_end
from streamweir.connections import KafkaConnection
from streamweir.contracts.formats import stored_format
from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import Pipeline
from streamweir.errors import BadConfiguration, RunFailed
from streamweir.objectstore import ObjectStore, to_json
from streamweir.replay.plan import Plan

NEWEST_FORMAT = 1
"""Of the object that names a stream's newest run."""


@dataclass(frozen=True)
class Position:
    """The end of a stream's input topics.

    next_sequence: the first sequence that was not sent yet. last: headers of the last message, None in an
    empty stream. largest_ts: the largest virtual clock near the end. offsets: per topic (short name) and
    partition the end of the committed records.
    """

    next_sequence: int
    last: Headers | None
    largest_ts: int | None
    offsets: Mapping[str, Mapping[int, int]]

    @property
    def flushed(self) -> bool:
        """Whether no run is under way: the last message is a flush, a redrive, or there is none."""
        return self.last is None or self.last.kind is not Kind.BATCH


def position(kafka: KafkaConnection, stream: Stream, pipeline: Pipeline) -> Position:
    """Read the position back; errors as in `broker.records.topic_end`.

    Raises RunFailed when the topics do not end with the same sequence: transactions keep them in step, so
    somebody else wrote to them or deleted from them.
    """
    ends = {topic.name: topic_end(kafka, stream.topic(topic.name)) for topic in pipeline.inputs}
    lasts = {name: _last(end) for name, end in ends.items()}
    if len({last.sequence if last else None for last in lasts.values()}) > 1:
        found = ", ".join(f"{name} {last.sequence if last else 'empty'}" for name, last in lasts.items())
        raise RunFailed(
            f"the topics of {stream} end with different sequences ({found}): something else than a "
            "replay wrote to them or deleted from them; start a new stream"
        )
    last_ones = [record.headers for end in ends.values() for record in end.last.values() if record.headers]
    last = max(last_ones, key=lambda headers: headers.sequence, default=None)
    return Position(
        next_sequence=last.sequence + 1 if last else 0,
        last=last,
        largest_ts=max((one.ts for one in last_ones), default=None),
        offsets={name: end.offsets for name, end in ends.items()},
    )


def find_flush(kafka: KafkaConnection, run: Run, pipeline: Pipeline, start: Mapping[int, int]) -> int | None:
    """The sequence of the run's flush, found by reading the leading input from `start`; None without one.

    start: per partition an offset before the run's first record.
    """
    topic = run.stream.topic(pipeline.leading.topic.name)
    found = (record.headers for record in read_topic(kafka, topic, start=start))
    flushes = (one for one in found if one is not None and one.run == run.id and one.kind is Kind.FLUSH)
    return next((one.sequence for one in flushes), None)


def refuse_deleted(kafka: KafkaConnection, run: Run, pipeline: Pipeline, plan: Plan) -> None:
    """Raise BadConfiguration when records of the run were deleted from Kafka: nobody can count them again."""
    for topic in pipeline.inputs:
        starts = log_start(kafka, run.stream.topic(topic.name))
        if any(starts[partition] > offset for partition, offset in plan.offsets[topic.name].items()):
            raise BadConfiguration(
                f"records of run {run.id} were deleted from Kafka some days after it was reconciled: its "
                f"bundle {run.bundle} stays as it is; start a new run to count again"
            )


def _last(end: TopicEnd) -> Headers | None:
    found = [record.headers for record in end.last.values() if record.headers]
    return max(found, key=lambda headers: headers.sequence, default=None)


def run_before(store: ObjectStore, stream: Stream, at: Position) -> str | None:
    """The id of the stream's newest run, which comes before the one that is planned now.

    A stream whose last run was planned before there was an object for it is asked for its last message: a
    batch or a flush is that run's. A redrive's is not, it may be an older run's; then it is not known: None.
    """
    newest, _ = _newest(store, stream)
    if newest is None and at.last is not None and at.last.kind is not Kind.REDRIVE:
        return at.last.run
    return newest


def join(store: ObjectStore, run: Run, plan: Plan, at: Position) -> None:
    """Make the run its stream's newest, before its first message; again after a crash between the two.

    Raises BadConfiguration when another run was planned in its place and it has sent nothing: who follows
    the chain would not find it.
    """
    newest, etag = _newest(store, run.stream)
    if newest == run.id or at.next_sequence != plan.first_sequence:
        # A run whose messages are there joined before it sent them.
        return
    if newest is not None and newest != plan.before:
        raise BadConfiguration(
            f"run {newest} was planned on stream {run.stream} before run {run.id} sent anything: "
            "start a new run"
        )
    data = to_json({"format": NEWEST_FORMAT, "run": run.id})
    key = run.stream.newest_run
    put = store.put_if_absent(key, data) if etag is None else store.put_if_match(key, data, etag)
    if put is None:
        join(store, run, plan, at)


def plans(store: ObjectStore, stream: Stream) -> Iterator[Plan]:
    """The plans of the stream's runs, the newest first, as far back as each names the one before.

    The last one is the stream's first run when its `first_sequence` is 0; otherwise nothing is known of those
    before it. Runs with the same `first_sequence`: only one of them sent anything.
    """
    run, _ = _newest(store, stream)
    while run is not None and (found := store.get_json(Run(stream, run).plan)) is not None:
        plan = Plan.from_json(found)
        yield plan
        run = plan.before


def _newest(store: ObjectStore, stream: Stream) -> tuple[str | None, str | None]:
    """The id of the newest run and the object's ETag; None for both when there is no such object."""
    found = store.get_with_etag(stream.newest_run)
    if found is None:
        return None, None
    value = json.loads(found[0])
    stored_format(value, NEWEST_FORMAT, str(stream.newest_run), "take another stream id")
    return value["run"], found[1]
