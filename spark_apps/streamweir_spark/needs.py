"""What a model asks of a row. Pure: shards check it in Python workers before the row goes to the model."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from streamweir.contracts.rejected import BY_MODEL


@dataclass(frozen=True)
class ModelNeeds:
    """The conditions under which no stage of a model drops or refuses a row; empty when it takes every row.

    categories: column -> the only values that the model knows, as text (a number is compared as a number).
    present: columns that must not be null (nor NaN).
    ranges: column -> smallest and largest number that the model takes, both inclusive.
    """

    categories: Mapping[str, frozenset[str]] = field(default_factory=dict)
    present: frozenset[str] = frozenset()
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def problem(self, row: Mapping[str, object]) -> str | None:
        """Why the model would skip or refuse this row, with column and value; None when it would not."""
        for column in sorted(self.present):
            if _missing(row.get(column)):
                return f"{column} is missing, which {BY_MODEL} refuses"
        for column, known in self.categories.items():
            if not _known(row.get(column), known):
                return f"{column} is {row.get(column)!r:.80}, which {BY_MODEL} was not trained on"
        for column, (low, high) in self.ranges.items():
            value = row.get(column)
            if not (isinstance(value, int | float) and low <= value <= high):
                return f"{column} is {value!r:.80}, outside {BY_MODEL}'s range {low:g} to {high:g}"
        return None


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _known(value: object, known: frozenset[str]) -> bool:
    # Spark's indexers compare numbers by their Java text ("1.0E7"), which Python writes in another way.
    if isinstance(value, int | float):
        return float(value) in _numbers(known)
    return value in known


@lru_cache(maxsize=256)
def _numbers(known: frozenset[str]) -> frozenset[float]:
    numbers = set()
    for text in known:
        try:
            numbers.add(float(text))
        except ValueError:
            continue
    return frozenset(numbers)
