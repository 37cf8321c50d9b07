"""The scorer's status object: the only thing that tasks and pages look at to know how a scorer is."""

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol

from streamweir.contracts.formats import stored_format
from streamweir.contracts.streams import Stream
from streamweir.errors import (
    RunFailed,
    StreamweirError,
    error_kind,
)
from streamweir.objectstore import ObjectStore, to_json
from streamweir.scorer.spec import ScorerSpec

FORMAT = 1
"""Of the status objects that are written; the first ones of it do not say so."""


class State(StrEnum):
    """What a scorer is doing. starting, restarting: its driver is on the way up.

    failed: it will not come back.
    """

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    RESTARTING = "restarting"
    FAILED = "failed"


@dataclass(frozen=True)
class Status:
    """A scorer's status.

    scorer: the id that its caller chose. holder: of the lease. Times are ISO 8601, UTC; progressed_at is when
    a micro-batch last ended or nothing was left to read. rows: records that the last micro-batch worked on;
    input_rows_per_second: that, by the time since the micro-batch before; processed_rows_per_second: by the
    time it took. end_offsets: topic -> partition -> the offset up to which was read. next_sequence: the next
    sequence that is not worked on yet. max_ts: the largest ts so far, and watermark that less the allowed
    lateness, both Unix seconds. state_memory_bytes: how much the core remembers, as it is stored.
    dropped_by_watermark: rows that Spark itself dropped. error: one sentence. restarts: how often the keeper
    has started the driver again. scoring: what gives the model's scores, "numpy" or "spark"; empty without
    one. doing: what a scorer that is starting is at.
    """

    stream: str
    scorer: str
    holder: str
    state: str
    started_at: str
    updated_at: str
    progressed_at: str
    dataset: str = ""
    model_version: str = ""
    batch_id: int | None = None
    rows: int = 0
    input_rows_per_second: float = 0.0
    processed_rows_per_second: float = 0.0
    end_offsets: dict[str, dict[str, int]] | None = None
    next_sequence: int = 0
    max_ts: int | None = None
    watermark: int | None = None
    state_memory_bytes: int = 0
    dropped_by_watermark: int = 0
    error: str | None = None
    exit_code: int | None = None
    restarts: int = 0
    scoring: str = ""
    doing: str = ""
    format: int = FORMAT


class HasFlush(Protocol):
    """A replay's manifest, as far as this module looks at it."""

    @property
    def flush_sequence(self) -> int:
        """The sequence of the run's flush."""
        ...


def timestamp(moment: datetime | None = None) -> str:
    """A time as the status holds it; now by default."""
    return (moment or datetime.now(UTC)).isoformat(timespec="milliseconds")


def starting(spec: ScorerSpec, holder: str, before: Status | None) -> Status:
    """The first status of a scorer whose driver is on the way up.

    before: the stream's status so far; the scorer goes on from its place.
    """
    now = timestamp()
    max_ts = before.max_ts if before else None
    return Status(
        stream=str(spec.stream),
        scorer=spec.scorer,
        holder=holder,
        state=State.STARTING,
        started_at=now,
        updated_at=now,
        progressed_at=now,
        dataset=spec.dataset,
        model_version=spec.model,
        batch_id=before.batch_id if before else None,
        next_sequence=before.next_sequence if before else 0,
        max_ts=max_ts,
        watermark=watermark_of(max_ts, spec.lateness_s),
    )


def watermark_of(max_ts: int | None, lateness_s: int) -> int | None:
    """The ts before which a message is late; None before the first one."""
    return None if max_ts is None else max_ts - lateness_s


def of_json(value: dict[str, Any]) -> Status:
    """A status from what was stored; raises BadConfiguration for a format that is not known."""
    stored_format(value, FORMAT, f"the status of stream {value.get('stream')}", "take another stream id")
    return Status(**{name: value[name] for name in Status.__dataclass_fields__ if name in value})


def to_bytes(status: Status) -> bytes:
    """A status as it is stored."""
    return to_json(asdict(status))


def read(store: ObjectStore, stream: Stream) -> Status | None:
    """The stream's status, or None when no scorer was ever started."""
    found = store.get_json(stream.status)
    return None if found is None else of_json(found)


def write(store: ObjectStore, stream: Stream, status: Status) -> None:
    """Replace the stream's status."""
    store.put(stream.status, to_bytes(status))


def touched(status: Status, **changes: Any) -> Status:
    """The status with changes, updated now."""
    return replace(status, updated_at=timestamp(), **changes)


def in_words(status: Status | None, name: str = "scorer") -> str:
    """What a scorer is at, for a person who waits; name: what it is called."""
    if status is None:
        return "no status yet"
    if status.batch_id is None:
        return f"{name} {status.state}, {status.doing or 'no micro-batch yet'}"
    speed = f"{status.processed_rows_per_second:,.0f} rows/s"
    place = f"micro-batch {status.batch_id}, next sequence {status.next_sequence}"
    return f"{name} {status.state}, {place}, {speed}"


def drained(status: Status, manifest: HasFlush) -> bool:
    """Whether every message of the run, the flush included, was worked on and its results are readable."""
    return status.next_sequence > manifest.flush_sequence


def failure(status: Status) -> StreamweirError | None:
    """The error that ended the scorer for good, of the type that its exit code stands for, or None.

    Any other end is RunFailed: the keeper has tried it again and again, nobody else need do so.
    """
    if status.state != State.FAILED:
        return None
    kind = error_kind(status.exit_code, RunFailed)
    return kind(f"scorer of stream {status.stream}: {status.error or 'failed without a word; see its log'}")
