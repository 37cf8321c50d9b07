"""What is drilled, by pipeline: a dataset's size and the run's params. The rest comes from the contracts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from streamweir.contracts.tables import Pipeline


@dataclass(frozen=True)
class Subject:
    """A pipeline as it is drilled.

    batches, history_batches: of the generated dataset. params: of the runs; they should make a row for every
    result table, rejected records included. wall: columns that hold wall time, which no two runs share.
    """

    pipeline: Pipeline
    batches: int = 150
    history_batches: int = 150
    params: Mapping[str, Any] = field(default_factory=dict)
    wall: tuple[str, ...] = ("scored_at",)


def subject(name: str) -> Subject:
    """The subject called `name`: what `SUBJECTS` says of it, else the defaults; BadConfiguration for none."""
    from streamweir.contracts.pipelines import pipeline

    return Subject(pipeline(name), **SUBJECTS.get(name, {}))


SUBJECTS: Mapping[str, Mapping[str, Any]] = {
    # Two late batches fill the table of rejected records; 10 batches a second leave time for a fault.
    "ecommerce_fraud": {"params": {"speed": 10, "late": "20:70,40:90"}},
}
