"""What is drilled, by pipeline: the size of a dataset, params of a replay. The contracts say the rest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from streamweir.contracts.pipelines import pipeline
from streamweir.contracts.tables import Pipeline


@dataclass(frozen=True)
class Subject:
    """A pipeline as it is drilled.

    dataset: settings of its generator. params: of the replay; it should take a quarter of a minute, and put a
    row into every result table, rejected records included. wall: columns that hold wall time, which no two
    runs share.
    """

    pipeline: Pipeline
    dataset: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    wall: tuple[str, ...] = ("scored_at",)


SUBJECTS: Mapping[str, Mapping[str, Any]] = {
    "ecommerce_fraud": {
        "dataset": {"batches": 150, "history_batches": 150},
        "params": {"speed": 10, "late": "20:70,40:90"},
    },
    "card_fraud": {
        "dataset": {"batches": 6_000, "fraud_share": 0.02},
        "params": {"rate": 400, "late": "900:90,1500:600"},
    },
    # Seven hours, so that there are incidents, and windows that are flagged.
    "clickstream_anomaly": {
        "dataset": {"batches": 25_200, "events_per_second": 0.5},
        "params": {"speed": 1_680, "late": "900:700,1500:900"},
    },
    "merchant_patterns": {
        "dataset": {"batches": 60, "chunk_rows": 1_000, "customers": 500},
        "params": {
            "speed": 4,
            "batch_rows": 1_000,
            "upgrade_min_transactions": 5_000,
            "child_min_transactions": 30,
            "dei_min_female": 20,
        },
        "wall": ("YStartTime", "detectionTime"),
    },
}


def subject(name: str) -> Subject:
    """The pipeline as it is drilled; raises BadConfiguration for a word that is none."""
    return Subject(pipeline(name), **SUBJECTS.get(name, {}))
