"""Labelled rows to learn from, split by time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streamweir.errors import DatasetUnusable
from streamweir.models.metrics import Numbers

LABEL = "is_fraud"
"""The label's column: 1.0 for fraud, else 0.0."""
PLACE = "__streamweir_place"
"""The column that tells rows apart after Spark had them: 0, 1, 2, ..."""

_TRAIN, _SELECT = 0.6, 0.8
_MUST_HOLD_BOTH = {False: "each part of the time", True: "the first 60 % of the time"}
PARTS = 10


@dataclass(frozen=True)
class Examples:
    """Rows in order of time: the columns that a model may use, and LABEL.

    numbers, categories: the inputs that the pipeline's own models use, in the order of the card.
    """

    rows: pa.Table
    numbers: tuple[str, ...]
    categories: tuple[str, ...]

    @property
    def labels(self) -> Numbers:
        """1 for fraud, 0 else."""
        return np.asarray(self.rows[LABEL].to_numpy(), dtype=np.float64)

    @property
    def has_both(self) -> bool:
        """Whether there are frauds and others."""
        return 0 < self.labels.sum() < len(self.rows)

    def where(self, wanted: NDArray[np.bool_]) -> "Examples":
        """The rows where `wanted` is true."""
        return Examples(self.rows.filter(pa.array(wanted)), self.numbers, self.categories)

    def part(self, start: int, end: int) -> "Examples":
        """The rows from `start` up to `end`."""
        return Examples(self.rows.slice(start, end - start), self.numbers, self.categories)

    def complete(self) -> "Examples":
        """The rows that lack none of the numbers: a model is not trained on guesses."""
        known = pa.array(np.ones(len(self.rows), dtype=bool))
        for name in self.numbers:
            known = pc.and_(known, pc.is_valid(self.rows[name]).combine_chunks())
        return Examples(self.rows.filter(known), self.numbers, self.categories)


@dataclass(frozen=True)
class Split:
    """train: to learn from. select: to choose the model and its threshold. report: to measure it, once."""

    train: Examples
    select: Examples
    report: Examples

    @property
    def counts(self) -> dict[str, int]:
        """Rows and frauds of each part."""
        parts: Sequence[tuple[str, Examples]] = (
            ("train", self.train),
            ("select", self.select),
            ("report", self.report),
        )
        rows = {name: len(part.rows) for name, part in parts}
        return rows | {f"{name}_frauds": int(part.labels.sum()) for name, part in parts}


def split(examples: Examples, *, sparse_ok: bool = False) -> Split:
    """The first 60 %, the next 20 % and the last 20 % of the time.

    sparse_ok: whether the parts that nothing is learnt from may hold no fraud. Raises DatasetUnusable when a
    part that must hold frauds holds none, or nothing else.
    """
    count = len(examples.rows)
    first, second = int(count * _TRAIN), int(count * _SELECT)
    parts = Split(examples.part(0, first), examples.part(first, second), examples.part(second, count))
    for name, part in vars(parts).items():
        if not (part.has_both or (sparse_ok and part is not parts.train)):
            raise DatasetUnusable(
                f"the history's {name} part has {len(part.rows)} rows and {part.labels.sum():.0f} frauds: "
                f"the labels must name frauds, and spare others, in {_MUST_HOLD_BOTH[sparse_ok]}"
            )
    return parts


def share_range(flags: Sequence[bool] | np.ndarray) -> dict[str, float]:
    """The share of true flags (in order of time) and its range, `low` to `high`; all between 0 and 1.

    The history is cut into ten parts in order of time. The range is what the share was in these parts,
    widened on either side by the distance between the smallest and the largest.
    """
    values = np.asarray(flags, dtype=float)
    shares = [part.mean() for part in np.array_split(values, min(PARTS, len(values)))]
    low, high = min(shares), max(shares)
    spread = high - low
    return {
        "share": float(values.mean()),
        "low": float(max(0.0, low - spread)),
        "high": float(min(1.0, high + spread)),
    }


def category_shares(rows: pa.Table, columns: Sequence[str]) -> dict[str, dict[str, dict[str, float]]]:
    """column -> value -> share and range; a missing value counts as none of them."""
    found = {}
    for name in columns:
        values = sorted(value for value in pc.unique(rows[name]).to_pylist() if value is not None)
        found[name] = {
            value: share_range(pc.fill_null(pc.equal(rows[name], value), False).to_numpy())
            for value in values
        }
    return found
