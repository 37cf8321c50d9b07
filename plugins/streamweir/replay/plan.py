"""The plan of a run's replay: what it was asked to send, written once and kept when the run is resumed.

Each names the run before it on its stream; the newest is named by an object.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from streamweir.contracts.formats import stored_format
from streamweir.contracts.messages import Kind
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.errors import BadConfiguration
from streamweir.objectstore import ObjectStore, to_json
from streamweir.replay.position import Position

FORMAT = 2
"""Of the plans that are written; those of format 1 do not name the run before."""

Options = Mapping[str, Any]
"""What a run says of its pipeline's options, by the names in `Pipeline.options`."""

Offsets = Mapping[str, Mapping[int, int]]
"""Per topic (short name) and partition an offset."""


@dataclass(frozen=True)
class Request:
    """What a replay is asked to do.

    dataset: the dataset's fingerprint. start_ts: Unix seconds at which the virtual clock starts, None for
    now. speed: seconds of the virtual clock per real second, 0 for as fast as possible. rate: batches per
    second, whatever the virtual clock says; None to go by speed. batches: how many to send, None for all.
    batch_rows: rows per batch, None for the pipeline's own number. late: seconds by which a batch is delayed,
    by batch index; like `batches` it counts batches before any is cut into pieces. unsorted_ok: go on in file
    order when the live file is not sorted by time. lateness_s: what the stream's scorer allows, None for the
    pipeline's own; the flush lies the later for it. options: what its scorer counts with, for the facts.
    """

    dataset: str
    start_ts: int | None = None
    speed: float = 10
    batches: int | None = None
    batch_rows: int | None = None
    late: Mapping[int, int] = field(default_factory=dict)
    unsorted_ok: bool = False
    rate: float | None = None
    lateness_s: int | None = None
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What the run sends: a `Request` with every choice made.

    first_sequence: sequence of the run's first message. offsets: where each partition of the input topics
    ended when the plan was made: the run's records lie at these offsets or after. planned_at: ISO time, UTC.
    before: the id of the run before on the stream; None for the first one, or where it is not known.
    """

    run: str
    pipeline: str
    stream: str
    dataset: str
    start_ts: int
    interval_s: int
    speed: float
    batches: int | None
    batch_rows: int
    first_sequence: int
    late: Mapping[int, int]
    offsets: Offsets
    planned_at: str
    rate: float | None = None
    lateness_s: int = 0
    options: Options = field(default_factory=dict)
    before: str | None = None
    format: int = FORMAT

    @property
    def pace(self) -> float:
        """How many seconds of a delivery's `due` pass in a real one; 0 means that all is due at once."""
        return self.rate or self.speed

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Plan":
        """The plan from `to_json`, also after its keys became strings.

        Raises BadConfiguration for a format that is not known.
        """
        stored_format(value, FORMAT, f"the plan of run {value.get('run')}", "start a new run")
        late = {int(index): delay for index, delay in value["late"].items()}
        offsets = offsets_from_json(value["offsets"])
        return cls(**{**value, "late": late, "offsets": offsets, "format": FORMAT})


def offsets_from_json(value: Mapping[str, Mapping[str, int]]) -> dict[str, dict[int, int]]:
    """Offsets after their partitions became strings."""
    return {
        topic: {int(partition): offset for partition, offset in ends.items()} for topic, ends in value.items()
    }


def parse_late(text: str) -> dict[int, int]:
    """`5:90,9:120`: batch 5 delayed by 90 s of the virtual clock, batch 9 by 120 s. Empty: none.

    Raises BadConfiguration for anything else.
    """
    late: dict[int, int] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        index, _, delay = item.partition(":")
        if not (index.isdecimal() and delay.isdecimal() and int(delay) > 0) or int(index) in late:
            raise BadConfiguration(f"late: {item!r} is not batch:seconds, once per batch, like 5:90,9:120")
        late[int(index)] = int(delay)
    return late


NEWEST_FORMAT = 1
"""Of the object that names a stream's newest run."""


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
