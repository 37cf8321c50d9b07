"""What a replay did send, in total and per batch."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from streamweir.contracts.formats import stored_format
from streamweir.replay.batches import Label, virtual_ts
from streamweir.replay.plan import Offsets, offsets_from_json

FORMAT = 1
"""Of the manifests that are written; the first ones of it do not say so."""


@dataclass(frozen=True)
class Manifest:
    """A run's replay, ended by its flush.

    rows: per topic (short name). facts: sums of the batches' facts. seconds and rows_per_second: of the
    process that sent the flush, with the rows of the first input topic. resumed_at_sequence: where that
    process began, None when it sent everything. offsets: per topic and partition the offset after the
    run's last record. started_at, ended_at: ISO times, UTC. off_schedule_ms: the most that a batch was
    handed to Kafka after the moment it was due; None when nothing was paced. labels: what the dataset
    says that the run should find, each with `kind`, `start` and `end` on the virtual clock.
    """

    run: str
    pipeline: str
    stream: str
    dataset: str
    start_ts: int
    interval_s: int
    batches: int
    first_sequence: int
    flush_sequence: int
    flush_ts: int
    last_ts: int
    rows: Mapping[str, int]
    facts: Mapping[str, int]
    started_at: str
    ended_at: str
    seconds: float
    rows_per_second: float
    resumed_at_sequence: int | None
    offsets: Offsets
    off_schedule_ms: float | None = None
    labels: Sequence[Mapping[str, Any]] = ()
    format: int = FORMAT

    def to_json(self) -> dict[str, Any]:
        """The manifest as JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Manifest":
        """The manifest from `to_json`, also after its keys became strings.

        Raises BadConfiguration for a format that is not known.
        """
        stored_format(value, FORMAT, f"the manifest of run {value.get('run')}", "start a new run")
        return cls(**{**value, "offsets": offsets_from_json(value["offsets"]), "format": FORMAT})


def on_the_clock(labels: Sequence[Label], start_ts: int) -> list[dict[str, Any]]:
    """A recording's labels as a run's manifest holds them, in Unix seconds of its virtual clock."""
    return [
        {
            "kind": label.kind,
            "start": virtual_ts(start_ts, label.start),
            "end": virtual_ts(start_ts, label.end),
        }
        for label in labels
    ]
