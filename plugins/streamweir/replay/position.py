"""How far a stream's input topics are filled, read back from the topics themselves."""

from collections.abc import Mapping
from dataclasses import dataclass

from streamweir.broker.records import TopicEnd, log_start, read_topic, topic_end
from streamweir.connections import KafkaConnection
from streamweir.contracts.messages import Headers, Kind
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import Pipeline
from streamweir.errors import BadConfiguration, RunFailed
from streamweir.replay.plan import Plan


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
