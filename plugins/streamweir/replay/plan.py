"""The plan of a run's replay: what it was asked to send, written once and kept when the run is resumed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from streamweir.contracts.formats import stored_format
from streamweir.errors import BadConfiguration

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
