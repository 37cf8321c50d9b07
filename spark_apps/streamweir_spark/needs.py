"""What a model asks of a row. Pure: shards check it in Python workers before the row goes to the model."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from streamweir.contracts.rejected import BY_MODEL
from streamweir.contracts.tables import Column, Type
from streamweir.errors import ModelUnusable
from streamweir_spark.scala import Stage, title


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

    def to_json(self) -> dict[str, Any]:
        """The needs as JSON holds them; an end of a range that is not there is null."""
        return {
            "categories": {column: sorted(known) for column, known in self.categories.items()},
            "present": sorted(self.present),
            "ranges": {
                column: [None if math.isinf(end) else end for end in ends]
                for column, ends in self.ranges.items()
            },
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ModelNeeds":
        """The inverse of `to_json`."""
        return cls(
            {column: frozenset(known) for column, known in value["categories"].items()},
            frozenset(value["present"]),
            {
                column: (-math.inf if low is None else low, math.inf if high is None else high)
                for column, (low, high) in value["ranges"].items()
            },
        )

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
            if not _within(value, low, high):
                return f"{column} is {value!r:.80}, outside {BY_MODEL}'s range {low:g} to {high:g}"
        return None

    def met_by(self, columns: Mapping[str, Iterable[object]]) -> bool:
        """Whether `problem` says nothing of any of the rows of these columns: seen by distinct values."""
        asked = {*self.present, *self.categories, *self.ranges}
        distinct = {name: set(columns.get(name, (None,))) for name in asked}
        return (
            not any(_missing(value) for name in self.present for value in distinct[name])
            and all(
                _known(value, known) for name, known in self.categories.items() for value in distinct[name]
            )
            and all(_within(value, *ends) for name, ends in self.ranges.items() for value in distinct[name])
        )

    def probes(self, columns: Iterable[Column]) -> list[dict[str, object]]:
        """Made-up rows that fulfil the needs: all numbers of a row are alike, or the nearest that it takes.

        As the core has them: a time is a number, too.
        """
        return [
            {column.name: self._made_up(column, number) for column in columns}
            for number in (1, 0, 100, 10_000)
        ]

    def _made_up(self, column: Column, number: int) -> object:
        known = sorted(self.categories.get(column.name, ()))
        if column.type is Type.STRING:
            return known[0] if known else ""
        low, high = self.ranges.get(column.name, (-math.inf, math.inf))
        nearest = min(max(float(number), low), high)
        value = min(_numbers(frozenset(known)), key=lambda one: abs(one - nearest), default=nearest)
        return value if column.type is Type.DOUBLE else int(value)


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _known(value: object, known: frozenset[str]) -> bool:
    # Spark's indexers compare numbers by their Java text ("1.0E7"), which Python writes in another way.
    if isinstance(value, int | float):
        return float(value) in _numbers(known)
    return value in known


def _within(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and low <= value <= high


@lru_cache(maxsize=256)
def _numbers(known: frozenset[str]) -> frozenset[float]:
    numbers = set()
    for text in known:
        try:
            numbers.add(float(text))
        except ValueError:
            continue
    return frozenset(numbers)


@dataclass(frozen=True)
class Origin:
    """Where a column's values come from.

    column: the original column that decides them; None when several do, or nobody knows.
    labels: the values are indices into these values of `column`; beyond them lies what is unknown.
    same: the values are those of `column`. sure: never null nor NaN for a row that fulfils the needs so far.
    slots: of a vector, the origins of its elements, as far as known.
    """

    column: str | None = None
    labels: tuple[str, ...] | None = None
    same: bool = False
    sure: bool = False
    slots: "tuple[Origin, ...] | None" = None


UNKNOWN = Origin()
MADE = Origin(sure=True)


@dataclass
class Demands:
    """What the stages seen so far ask of a row. origins: of each column that exists so far."""

    origins: dict[str, Origin]
    categories: dict[str, frozenset[str]] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def needs(self) -> ModelNeeds:
        """What a row must fulfil so that no stage seen so far drops or refuses it."""
        return ModelNeeds(dict(sorted(self.categories.items())), frozenset(self.present), self.ranges)

    def is_original(self, name: str) -> bool:
        """Whether the column is there, and holds what the stream offered under this name."""
        return self.origins.get(name, UNKNOWN).same

    def demand_value(self, stage: Stage, name: str) -> None:
        """A row must have a value in the column; raises ModelUnusable where no original column shows it."""
        origin = self.origins[name]
        if origin.sure:
            return
        if origin.column is None:
            raise unforeseeable(stage, name)
        self.present.add(origin.column)

    def demand_category(self, stage: Stage, source: str, labels: Iterable[str]) -> None:
        """The column's value must be one of the labels; raises ModelUnusable as `demand_value` does."""
        origin = self.origins[source]
        if not origin.same or origin.column is None:
            raise unforeseeable(stage, source)
        self.narrow(origin.column, set(labels))

    def narrow(self, column: str, values: set[str]) -> None:
        """An original column's value must be one of these."""
        known = self.categories.get(column)
        self.categories[column] = frozenset(values) if known is None else known & values

    def demand_range(self, column: str | None, low: float, high: float) -> None:
        """An original column's number must lie between these, both inclusive."""
        known = self.ranges.get(str(column), (-math.inf, math.inf))
        self.ranges[str(column)] = (max(low, known[0]), min(high, known[1]))


def unforeseeable(stage: Stage, column: str) -> ModelUnusable:
    """The error of a stage whose refusals no original column shows."""
    return ModelUnusable(
        f"{title(stage)} may drop or refuse rows because of {column}, which an earlier stage makes: which "
        'rows cannot be told beforehand; save the model with handleInvalid="keep" there'
    )
