"""Of a stream that lives on, records leave Kafka some days after their run was reconciled."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby, takewhile
from typing import Any

from streamweir.broker.records import log_start
from streamweir.broker.topics import delete_records, existing
from streamweir.connections import KafkaConnection
from streamweir.contracts.formats import stored_format
from streamweir.contracts.pipelines import pipeline as pipeline_of
from streamweir.contracts.runs import RECOMPUTED_FORMAT, Run
from streamweir.contracts.streams import Stream
from streamweir.objectstore import ObjectStore
from streamweir.replay.plan import Offsets, Plan, offsets_from_json
from streamweir.replay.position import plans
from streamweir.scorer import status

FORMAT = 1
"""Of the object that says when a run was reconciled."""


def note_reconciled(store: ObjectStore, run: Run, next_sequence: int, published_before: Offsets) -> None:
    """Remember that a run is accounted for, whatever came out.

    next_sequence: the first of the stream that was not worked on. published_before: per output topic (full
    name) and partition where the run's rows begin.
    """
    said = {
        "format": FORMAT,
        "at": datetime.now(UTC).isoformat(),
        "next_sequence": next_sequence,
        "published_before": published_before,
    }
    store.put_json(run.reconciled, said)


def purge(
    kafka: KafkaConnection, store: ObjectStore, stream: Stream, now: datetime, keep: timedelta
) -> Iterator[str]:
    """Delete the records of runs that were reconciled longer ago than `keep`, the oldest first.

    A run that is not reconciled, or not since records of it were put back, keeps its records and all later
    ones. Kept as well are the newest run's, those that a later run's validation still needs, those that the
    scorer has not said to have read, and those on a topic that all streams share.
    Yields a sentence on what was deleted, and on what stays until somebody does something about it.
    """
    inputs = {topic.name: stream.topic(topic.name) for topic in pipeline_of(stream.pipeline).inputs}
    there = existing(kafka, stream)
    if not set(inputs.values()) <= set(there):
        return
    starts = {name: log_start(kafka, topic) for name, topic in inputs.items()}
    stretches = _held(store, stream, starts)
    past = len(list(takewhile(lambda stretch: stretch.is_past(now - keep), stretches[:-1])))
    # The next run to be validated begins with what the newest of them worked out again.
    needed = max((stretch.recomputed_up_to for stretch in stretches[:past]), default=-1)
    begun = [stretch for stretch in stretches[: past + 1] if stretch.first_sequence <= needed]
    first = max(len(begun) - 1, 0)
    yield from _staying(stretches, past, first, now - keep)
    if not first or not _was_read(store, stream, stretches[first].offsets):
        return
    ends = {inputs[name]: offsets for name, offsets in stretches[first].offsets.items()}
    for topic, offsets in {**ends, **stretches[first].published_before}.items():
        if topic in there and (deleted := delete_records(kafka, topic, offsets)):
            yield f"{topic}: {deleted:,} offsets before run {stretches[first].runs[-1].id} are deleted"


class _Stretch:
    """What a stream's topics hold from a run's plan to the next one.

    runs: planned at the same place, the newest first; only one of them sent anything. offsets: of the oldest
    plan, which lie before all that was sent.
    """

    def __init__(self, store: ObjectStore, stream: Stream, planned: list[Plan]) -> None:
        self._store = store
        self.runs = [Run(stream, plan.run) for plan in planned]
        self.first_sequence, self.offsets = planned[-1].first_sequence, planned[-1].offsets
        self.planned_at = datetime.fromisoformat(planned[-1].planned_at)

    @property
    def reconciled_at(self) -> datetime | None:
        """When its run was reconciled; None also when records of it were put back since."""
        for run, found in self._reconciled():
            if found["next_sequence"] > self._put_back(run):
                return datetime.fromisoformat(found["at"])
        return None

    def __str__(self) -> str:
        return f"{self.runs[-1].id} on stream {self.runs[-1].stream}"

    def is_past(self, before: datetime) -> bool:
        """Whether its run was reconciled before that moment."""
        return self.reconciled_at is not None and self.reconciled_at < before

    @property
    def recomputed_up_to(self) -> int:
        """The sequence from which on later runs' validation needs messages."""
        return max(_recomputed_up_to(self._store, run) for run in self.runs)

    @property
    def published_before(self) -> Offsets:
        """Where its rows begin on the output topics; nothing as long as it is not reconciled."""
        return next((offsets_from_json(found["published_before"]) for _, found in self._reconciled()), {})

    def _reconciled(self) -> Iterator[tuple[Run, dict[str, Any]]]:
        for run in self.runs:
            found = self._store.get_json(run.reconciled)
            if found is not None:
                stored_format(found, FORMAT, str(run.reconciled), "clear the run's task `reconcile`")
                yield run, found

    def _put_back(self, run: Run) -> int:
        found = self._store.get_json(run.redriven)
        return found["last_sequence"] if found else -1


def _held(store: ObjectStore, stream: Stream, starts: Offsets) -> list[_Stretch]:
    """The runs whose records are there, the oldest first; none when the first of them is not known."""
    found: list[_Stretch] = []
    for _, planned in groupby(plans(store, stream), lambda plan: plan.first_sequence):
        found.insert(0, _Stretch(store, stream, list(planned)))
        if _reach(starts, found[0].offsets):
            return found
    return []


def _recomputed_up_to(store: ObjectStore, run: Run) -> int:
    found = store.get_json(run.recomputed)
    stored_format(found or {}, RECOMPUTED_FORMAT, str(run.recomputed), f"validate run {run.id} again")
    return found["next_sequence"] if found else -1


def _was_read(store: ObjectStore, stream: Stream, offsets: Offsets) -> bool:
    """Whether every stage has committed what it read up to there: it reads none of it again."""
    for stage in pipeline_of(stream.pipeline).stages:
        found = status.read(store, stream.of_stage(stage.name))
        ends = offsets_from_json(found.end_offsets or {}) if found else {}
        read = {read.topic.name for read in stage.reads}
        if not _reach(ends, {topic: known for topic, known in offsets.items() if topic in read}):
            return False
    return True


def _reach(ends: Offsets, offsets: Offsets) -> bool:
    return all(
        ends.get(topic, {}).get(partition, -1) >= offset
        for topic, partitions in offsets.items()
        for partition, offset in partitions.items()
    )


def _staying(stretches: list[_Stretch], past: int, first: int, before: datetime) -> Iterator[str]:
    """What keeps records although their time is over."""
    following = stretches[past + 1 : past + 2]
    if following and following[0].planned_at < before and stretches[past].reconciled_at is None:
        yield (
            f"the records of run {stretches[past]} and of later ones stay: it is not reconciled, or not "
            "since records of it were put back; clear its task reconcile"
        )
    if first < past and stretches[past - 1].recomputed_up_to < 0:
        yield (
            f"the records of run {stretches[first]} and of later ones stay: they are needed to validate what "
            f"comes after; clear the task validate of run {stretches[past - 1]}"
        )
