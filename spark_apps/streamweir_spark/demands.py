"""What a fitted pipeline's stages ask of the original columns of a row."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from streamweir.errors import ModelUnusable
from streamweir_spark.needs import ModelNeeds
from streamweir_spark.scala import Stage, title


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
