"""What a saved stage holds: its class, its params and what it learnt, read without Spark."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streamweir.errors import StreamweirError
from streamweir.models import saved

Numbers = np.ndarray
"""Doubles: of a column one a row, of a vector column slots x rows."""
Columns = Mapping[str, Numbers | pa.Array]
"""The columns that exist so far, by name: those of the stream as Arrow has them, made ones as numbers."""

_TUNED = ("CrossValidatorModel", "TrainValidationSplitModel")
_DENSE = 1


class NotEvaluated(StreamweirError):
    """numpy does not evaluate this stage, or not with this setting: Spark does."""


class RowRefused(Exception):
    """Some row holds a value that a stage refuses, as Spark would; the message says which stage and why."""


@dataclass(frozen=True)
class SavedStage:
    """A stage as `save` wrote it. kind: its class without the package. entries: all of its metadata."""

    uid: str
    kind: str
    params: Mapping[str, Any]
    entries: Mapping[str, Any]
    folder: Path

    def data(self, part: str = "data") -> list[dict[str, Any]]:
        """The rows of what it learnt."""
        files = sorted((self.folder / part).glob("*.parquet"))
        return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]

    def learnt(self) -> dict[str, Any]:
        """The same of a stage that keeps it in one row."""
        rows = self.data()
        if len(rows) != 1:
            raise self.refused(f"keeps {len(rows)} rows of what it learnt")
        return rows[0]

    @property
    def inputs(self) -> list[str]:
        """The columns that it reads, of a list or a single one."""
        return list(self.params.get("inputCols") or [self.params["inputCol"]])

    @property
    def outputs(self) -> list[str]:
        """The columns that it makes, in the same order."""
        several = self.params.get("inputCols")
        return list(self.params["outputCols"] if several else [self.params["outputCol"]])

    def refused(self, what: str) -> NotEvaluated:
        """The error of a stage that is not evaluated; what: a verb and its object."""
        return NotEvaluated(f"stage {self.uid} ({self.kind}) {what}, which numpy does not evaluate")

    def require(self, name: str, *known: object) -> Any:
        """A param's value; raises NotEvaluated when it is none of the known ones."""
        value = self.params.get(name)
        if value not in known:
            raise self.refused(f"has {name}={value!r}")
        return value


def stages_of(model: Path) -> Iterator[SavedStage]:
    """The stages of a saved pipeline in order, with those inside other pipelines in their place."""
    metadata = saved.metadata(model, model)
    kind = metadata["class"].rpartition(".")[2]
    if kind == "PipelineModel":
        uids = metadata["paramMap"]["stageUids"]
        width = len(str(len(uids)))
        for place, uid in enumerate(uids):
            # Spark pads the numbers of ten stages and more with zeros.
            yield from stages_of(model / "stages" / f"{place:0{width}d}_{uid}")
    elif kind in _TUNED:
        yield from stages_of(model / "bestModel")
    else:
        yield SavedStage(metadata["uid"], kind, saved.params(metadata), metadata, model)


def vector(value: Mapping[str, Any]) -> Numbers:
    """A vector as Spark saves it."""
    if value["type"] == _DENSE:
        return np.array(value["values"], dtype=np.float64)
    found = np.zeros(value["size"])
    found[np.array(value["indices"], dtype=np.int64)] = value["values"]
    return found


def matrix(value: Mapping[str, Any]) -> Numbers:
    """A matrix as Spark saves it."""
    shape = value["numRows"], value["numCols"]
    if value["type"] == _DENSE:
        values = np.array(value["values"], dtype=np.float64)
        return values.reshape(shape) if value["isTransposed"] else values.reshape(shape[::-1]).T
    found = np.zeros(shape[::-1] if value["isTransposed"] else shape)
    for column, (start, end) in enumerate(zip(value["colPtrs"], value["colPtrs"][1:], strict=False)):
        found[np.array(value["rowIndices"][start:end], dtype=np.int64), column] = value["values"][start:end]
    return found.T if value["isTransposed"] else found


def numbers(stage: SavedStage, column: Numbers | pa.Array) -> Numbers:
    """A column as doubles; null is NaN."""
    if isinstance(column, np.ndarray):
        return column
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise stage.refused(f"takes a column of type {column.type} for a number")
    doubles = column.cast(pa.float64(), safe=False)
    return np.asarray(doubles.to_numpy(zero_copy_only=False), dtype=np.float64)
