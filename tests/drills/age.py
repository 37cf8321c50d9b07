"""The drill `age`: what a run costs on a stream that has lived long, beside the same on a new one.

The old stream is made, not waited for. It really had some runs: replayed, scored, reconciled and put
together. Their micro-batches are then numbered anew, as if there had been thousands more that had little to
do; so are what the core remembers, Spark's checkpoint and the status object. On top lies a run that nobody
has reconciled yet.
"""

import gzip
import io
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from streamweir.broker.topics import provision
from streamweir.commits import Commit, Segment, backwards, commits_of, newest
from streamweir.contracts.messages import RETENTION_S
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.ledger import reconcile
from streamweir.objectstore import ObjectStore
from streamweir.scorer import launch, status, stop
from streamweir.scorer.health import find
from tests.drills.drills import Say
from tests.drills.ground import START_TS, Ground, Model
from tests.drills.subjects import Subject
from tests.drills.trials import AirflowTrial, DrillFailed, Worker, await_

FAULT = "age"
AT_MOST = 1.3
"""How much more a step may take on the old stream."""
_RUNS, _EACH, _ON_TOP = 20, 50_000, 10_000
"""Finished runs, micro-batches of each, and those of the run that was not put together."""
_BATCHES = 300
_PACE: Mapping[str, Mapping[str, Any]] = {"card_fraud": {"rate": 60}, "clickstream_anomaly": {"speed": 60}}
_DAY_S = 86_400
_APART_S = RETENTION_S + _DAY_S
"""From one run's start to the next one's: the same transactions again would be duplicates before."""
_WRITERS = 16
_ONE_WINDOW_MORE = 40
"""Windows begin at another second, so that there may be one more of each table, with its rows."""
_STATUS, _LOOKS = "status", 20
_STEPS = ("start_scorer", "reconcile", "validate")


@dataclass(frozen=True)
class Step:
    """A step of a run, and the seconds that it took on new streams and on the old one."""

    name: str
    new: list[float]
    old: list[float]

    @property
    def ratio(self) -> float:
        """Of the medians."""
        return median(self.old) / median(self.new)


class SharedTrial(AirflowTrial):
    """A run of the DAG on a stream that has others."""

    def __init__(self, ground: Ground, stream: str, name: str) -> None:
        super().__init__(ground, name)
        self.run = Run(Stream(ground.subject.pipeline.name, stream), name)

    def through(self, params: Mapping[str, Any]) -> "SharedTrial":
        """Run it to its end; raises DrillFailed when it failed or left rows unexplained."""
        self.trigger(params)
        self.finish()
        unexplained = self.store.get_json(self.run.ledger)["unexplained"]
        if unexplained:
            raise DrillFailed(f"run {self.run.id} left {unexplained} rows unexplained")
        return self


def sized(subject: Subject) -> Subject:
    """The subject with at least as many batches as the runs have."""
    batches = max(_BATCHES, subject.dataset.get("batches", 0))
    return replace(subject, dataset={**subject.dataset, "batches": batches})


def grow_old(ground: Ground, model: Model, count: int, say: Say) -> list[Step]:
    """Measure runs on new streams and on an old one, in turn; count: of each.

    Raises DrillFailed when a run fails, also the ones sixty days later on the virtual clock.
    """
    pace = _PACE.get(ground.subject.pipeline.name, {"speed": 20})
    params: dict[str, Any] = {**pace, "batches": _BATCHES}
    params |= {name: model.params[name] for name in ("dataset", "model") if name in model.params}
    began, old = time.monotonic(), Stream(ground.subject.pipeline.name, "old")
    _live(ground, model, old, params, say)
    _age(ground.store, old, say)
    say(f"the old stream is made, after {time.monotonic() - began:.0f} s")
    starts = _starts(_RUNS + 1)
    SharedTrial(ground, old.id, "warm-up").through({**params, "start_ts": next(starts)})
    steps = {name: Step(name, [], []) for name in (*_STEPS, _STATUS)}
    for number, start in zip(range(count), starts, strict=False):
        for stream, kind in ((f"new-{number}", "new"), (old.id, "old")):
            trial = SharedTrial(ground, stream, f"{kind}-{number}").through({**params, "start_ts": start})
            for name, seconds in _taken(trial):
                getattr(steps[name], kind).append(seconds)
            say(f"run {number + 1} of {count} on the {kind} stream")
    last = ground.store.get_json(trial.run.manifest)
    later = SharedTrial(ground, old.id, "sixty-days-later")
    later.through({**params, "start_ts": last["flush_ts"] + 60 * _DAY_S})
    _same_rows(ground, trial, later)
    say("a run sixty days later left what the one before it did, and nothing of the time between")
    return list(steps.values())


def _starts(number: int) -> Iterator[int]:
    """The START_TS of this run, and of those after it."""
    return itertools.count(START_TS + number * _APART_S, _APART_S)


def _live(ground: Ground, model: Model, stream: Stream, params: Mapping[str, Any], say: Say) -> None:
    """Let the stream have its runs; the last one is not reconciled."""
    store, servers = ground.store, ground.servers
    provision(ground.kafka, stream, ground.subject.pipeline)
    launch.start(replace(model.spec, stream=stream, scorer=stream.id), servers, store, ground.work)
    await_("the scorer's start", lambda: (found := status.read(store, stream)) and found.state == "running")
    asked = {name.replace("_", "-"): value for name, value in params.items() if name != "model"}
    for number, start in zip(range(_RUNS + 1), _starts(0), strict=False):
        trial = SharedTrial(ground, stream.id, f"finished-{number}")
        words = {"pipeline": stream.pipeline, "stream": stream.id, "run": trial.run.id}
        Worker(trial, "replay", {**words, **asked, "batches": 60, "start-ts": start}).join()
        flush = trial.flush()
        await_("the drain", lambda: (found := status.read(store, stream)) and found.next_sequence > flush)  # noqa: B023
        if number < _RUNS:
            reconcile(trial.run, ground.kafka, store)
        say(f"run {number + 1} of {_RUNS + 1} of the old stream")
    stop.request(store, stream, "the stream is old enough")
    await_("the scorer's stop", lambda: (found := status.read(store, stream)) and found.state == "stopped")


def _age(store: ObjectStore, stream: Stream, say: Say) -> None:
    """Number the micro-batches anew: segments of `_EACH`, then `_ON_TOP` that no segment holds."""
    last = newest(store, stream, None)
    if last is None:
        raise DrillFailed(f"stream {stream} has no commit record")
    entries = list(backwards(store, stream, last))[::-1]
    segments = [entry for entry in entries if isinstance(entry, Segment)]
    if len(segments) < _RUNS:
        raise DrillFailed(f"stream {stream} has {len(segments)} segments, not {_RUNS}")
    at, on_top = 0, list[Commit]()
    for entry in entries[:-1]:
        if isinstance(entry, Segment):
            at = _stretch(store, stream, entry, at)
        else:
            on_top.append(_moved(store, stream, entry, at))
            at += 1
    end = at + _ON_TOP
    _in_parallel(lambda number: _copy(store, stream, on_top[-1], number), range(at, end))
    _moved(store, stream, last, end)
    # What the next micro-batch goes on from; blocks of ids are not named by micro-batch.
    for kept in (stream.totals, stream.memory):
        if (data := store.get(kept(last.batch_id))) is not None:
            store.put(kept(end), data)
    _move_checkpoint(store, stream, end - last.batch_id)
    store.put_json(stream.status, store.get_json(stream.status) | {"batch_id": end})
    left = len(on_top) + _ON_TOP + 1
    say(f"{end + 1:,} micro-batches: {len(segments)} segments, and {left:,} commit records")


def _stretch(store: ObjectStore, stream: Stream, segment: Segment, at: int) -> int:
    """Write a segment anew that begins at a micro-batch and has many more; gives the one after its last."""
    shift, last = at - segment.first, at + _EACH - 1
    commits = [replace(one, batch_id=one.batch_id + shift) for one in commits_of(store, stream, segment)]
    idle = [
        replace(commits[-1], batch_id=number, rows=0, files=())
        for number in range(len(commits) + at, last + 1)
    ]
    place = f"{last:010d}/{at:010d}"
    files = {}
    for table, names in segment.files.items():
        files[table] = [f"{place}-{table}-{number:05d}.parquet" for number in range(len(names))]
        for name, target in zip(names, files[table], strict=True):
            store.put(stream.segments / target, _shifted(store.get(stream.segments / name) or b"", shift))
    lines = b"\n".join(orjson.dumps(one.to_json()) for one in (*commits, *idle))
    store.put(stream.segments / f"{place}-commits.jsonl.gz", gzip.compress(lines))
    new = replace(segment, first=at, last=last, files=files, commits=f"{place}-commits.jsonl.gz")
    for name in (segment.commits, *(name for names in segment.files.values() for name in names)):
        store.delete(stream.segments / name)
    store.delete(stream.segment(segment.last))
    store.put_json(stream.segment(last), new.to_json())
    return last + 1


def _shifted(parquet: bytes, shift: int) -> bytes:
    rows = pq.read_table(io.BytesIO(parquet))
    place = rows.column_names.index("batch_id")
    rows = rows.set_column(place, "batch_id", pc.add(rows["batch_id"], pa.scalar(shift, pa.int64())))
    target = io.BytesIO()
    pq.write_table(rows, target, compression="zstd")
    return target.getvalue()


def _moved(store: ObjectStore, stream: Stream, commit: Commit, to: int) -> Commit:
    """Move a micro-batch that no segment holds to another number."""
    found = _copy(store, stream, commit, to)
    store.delete(stream.commit(commit.batch_id))
    return found


def _copy(store: ObjectStore, stream: Stream, commit: Commit, to: int) -> Commit:
    for table in commit.files or ():
        store.put(stream.table_file(table, to), store.get(stream.table_file(table, commit.batch_id)) or b"")
    copy = replace(commit, batch_id=to)
    store.put_json(stream.commit(to), copy.to_json())
    return copy


def _move_checkpoint(store: ObjectStore, stream: Stream, shift: int) -> None:
    """Spark's files are named by micro-batch, and those of the state by the one after it."""

    def move(key: ObjectKey) -> None:
        folder, _, name = key.key.rpartition("/")
        number, dot, ending = name.partition(".")
        if number.isdecimal() and "/sources/" not in key.key:
            target = ObjectKey(key.bucket, f"{folder}/{int(number) + shift}{dot}{ending}")
            store.put(target, store.get(key) or b"")
            store.delete(key)

    _in_parallel(move, store.list(stream.checkpoint))


def _in_parallel(work: Callable[[Any], object], items: Any) -> None:
    with ThreadPoolExecutor(_WRITERS) as pool:
        list(pool.map(work, items))


def _taken(trial: SharedTrial) -> Iterator[tuple[str, float]]:
    for name in _STEPS:
        yield name, trial.store.get_json(trial.run.task(name))["seconds"]
    store, stream = trial.store, trial.run.stream
    began = time.perf_counter()
    for _ in range(_LOOKS):
        find(store, stream)
    yield _STATUS, time.perf_counter() - began


def _same_rows(ground: Ground, one: SharedTrial, other: SharedTrial) -> None:
    """Raises DrillFailed unless the later run scored as many rows and has no windows of the time between.

    A pipeline that scores no rows must have left some in its tables.
    """
    sizes = [
        {table.name: _rows(trial, table.name) for table in ground.subject.pipeline.tables}
        for trial in (one, other)
    ]
    leading = ground.subject.pipeline.scored_table
    same = sizes[0][leading] == sizes[1][leading] > 0 if leading else any(sizes[1].values())
    if not same or any(sizes[1][name] > sizes[0][name] + _ONE_WINDOW_MORE for name in sizes[0]):
        raise DrillFailed(f"the run sixty days later left {sizes[1]} rows, the one before it {sizes[0]}")


def _rows(trial: SharedTrial, table: str) -> int:
    file = trial.store.get(trial.run.table_file(table))
    return int(pq.read_metadata(io.BytesIO(file or b"")).num_rows)
