"""The transformers that numpy evaluates: each function gives how a stage is applied, by what it learnt."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamweir_spark.numpy_ml.stages import Columns, Numbers, RowRefused, SavedStage, numbers, vector

Apply = Callable[[Columns], dict[str, Numbers]]
"""Gives the columns that a stage makes of those that are there."""

_SMALLEST = -5e-324
_KEEP = "keep"


def string_indexer(stage: SavedStage) -> Apply:
    """Texts to the places of their labels; with `keep` one place more stands for every other value."""
    keeps = _keeps(stage)
    labels = [pa.array(known, pa.string()) for known in stage.learnt()["labelsArray"]]
    indexed = list(zip(stage.inputs, stage.outputs, labels, strict=True))

    def apply(columns: Columns) -> dict[str, Numbers]:
        made = {}
        for source, target, known in indexed:
            # Spark itself passes over an input that is not there: a label is none in a stream.
            if source not in columns:
                continue
            texts = columns[source]
            if isinstance(texts, np.ndarray) or not pa.types.is_string(texts.type):
                raise stage.refused(f"takes the number {source} for a text")
            places = pc.index_in(texts, known)
            if places.null_count and not keeps:
                raise _refuses(stage, f"a value of {source} that it does not know")
            filled = pc.fill_null(places, len(known)).cast(pa.float64())
            made[target] = np.asarray(filled.to_numpy(zero_copy_only=False))
        return made

    return apply


def one_hot_encoder(stage: SavedStage) -> Apply:
    """Places to vectors with a single 1."""
    keeps, drops = stage.require("handleInvalid", "error", _KEEP) == _KEEP, stage.params["dropLast"]
    sizes = stage.learnt()["categorySizes"]
    encoded = list(zip(stage.inputs, stage.outputs, sizes, strict=True))

    def apply(columns: Columns) -> dict[str, Numbers]:
        made = {}
        for source, target, size in encoded:
            places = numbers(stage, columns[source])
            known = (places >= 0) & (places < size)
            if not keeps and not known.all():
                raise _refuses(stage, f"a category in {source} that it does not know")
            slots = np.where(known, places, size).astype(np.int64)
            bits = np.zeros((size + keeps - drops, len(places)))
            there = np.flatnonzero(slots < len(bits))
            bits[slots[there], there] = 1.0
            made[target] = bits
        return made

    return apply


def vector_assembler(stage: SavedStage) -> Apply:
    """Numbers and vectors side by side."""
    keeps = _keeps(stage)

    def apply(columns: Columns) -> dict[str, Numbers]:
        parts = []
        for name in stage.params["inputCols"]:
            part = numbers(stage, columns[name])
            if part.ndim == 1:
                if not keeps and np.isnan(part).any():
                    raise _refuses(stage, f"a missing value in {name}")
                part = part[np.newaxis]
            parts.append(part)
        return {stage.params["outputCol"]: np.concatenate(parts)}

    return apply


def imputer(stage: SavedStage) -> Apply:
    """The learnt value in the place of a missing one."""
    missing, learnt = float(stage.params["missingValue"]), stage.learnt()

    def apply(columns: Columns) -> dict[str, Numbers]:
        made = {}
        for source, target in zip(stage.inputs, stage.outputs, strict=True):
            column, instead = columns[source], learnt[source]
            values = numbers(stage, column)
            absent = np.isnan(values) if np.isnan(missing) else values == missing
            if isinstance(column, pa.Array):
                absent = absent | column.is_null().to_numpy(zero_copy_only=False)
                # Spark gives the column back in the type that it had.
                instead = float(int(instead)) if pa.types.is_integer(column.type) else instead
            made[target] = np.where(absent, instead, values)
        return made

    return apply


def bucketizer(stage: SavedStage) -> Apply:
    """Numbers to the places of their buckets; the last bucket holds its upper end."""
    keeps = _keeps(stage)
    every_splits = stage.params["splitsArray"] if stage.params.get("inputCols") else [stage.params["splits"]]
    bounds = [np.array([float(split) for split in splits]) for splits in every_splits]

    def apply(columns: Columns) -> dict[str, Numbers]:
        made = {}
        for source, target, splits in zip(stage.inputs, stage.outputs, bounds, strict=True):
            values = numbers(stage, columns[source])
            if values.ndim > 1:
                raise stage.refused("takes vectors")
            absent, last = np.isnan(values), len(splits) - 1
            places = np.searchsorted(_signed(splits), _signed(values), side="right") - 1
            places = np.where(values == splits[-1], last - 1, places)
            outside = ((places < 0) | (places >= last)) & ~absent
            if outside.any() or (absent.any() and not keeps):
                raise _refuses(stage, f"a value of {source} outside of its buckets")
            made[target] = np.where(absent, float(last), places)
        return made

    return apply


def binarizer(stage: SavedStage) -> Apply:
    """1 above the threshold, else 0, of what is missing too."""
    several = stage.params.get("inputCols") and stage.params.get("thresholds")
    thresholds = several or [stage.params["threshold"]] * len(stage.inputs)

    def apply(columns: Columns) -> dict[str, Numbers]:
        pairs = zip(stage.inputs, stage.outputs, thresholds, strict=True)
        return {
            target: (numbers(stage, columns[source]) > threshold).astype(np.float64)
            for source, target, threshold in pairs
        }

    return apply


def standard_scaler(stage: SavedStage) -> Apply:
    """Less the mean, by the standard deviation, as far as it was asked for."""
    learnt, params = stage.learnt(), stage.params
    scale = _inverted(vector(learnt["std"]), 0.0) if params["withStd"] else None
    return _scaled(stage, vector(learnt["mean"]) if params["withMean"] else None, scale)


def robust_scaler(stage: SavedStage) -> Apply:
    """The same with median and range between quantiles."""
    learnt, params = stage.learnt(), stage.params
    scale = _inverted(vector(learnt["range"]), 0.0) if params["withScaling"] else None
    return _scaled(stage, vector(learnt["median"]) if params["withCentering"] else None, scale)


def max_abs_scaler(stage: SavedStage) -> Apply:
    """By the largest size."""
    return _scaled(stage, None, _inverted(vector(stage.learnt()["maxAbs"]), 1.0))


def elementwise_product(stage: SavedStage) -> Apply:
    """Times a vector of the param's."""
    return _scaled(stage, None, vector(stage.params["scalingVec"]))


def min_max_scaler(stage: SavedStage) -> Apply:
    """From the learnt range to the param's; a slot that was constant becomes the middle."""
    learnt, low, high = stage.learnt(), stage.params["min"], stage.params["max"]
    smallest = vector(learnt["originalMin"])
    spread = vector(learnt["originalMax"]) - smallest
    scale = np.divide(high - low, spread, out=np.zeros(len(spread)), where=spread != 0)

    def scaled(values: Numbers) -> Numbers:
        moved = (values - _column(smallest)) * _column(scale) + low
        constant = np.where(np.isnan(values), values, (low + high) / 2.0)
        return np.where(_column(scale) != 0, moved, constant)

    return _of_vector(stage, scaled)


def vector_slicer(stage: SavedStage) -> Apply:
    """The named slots of a vector, in the param's order."""
    stage.require("names", [])
    return _of_vector(stage, lambda values: values[stage.params["indices"]])


def selector(stage: SavedStage) -> Apply:
    """The slots that a selection found, in the vector's order."""
    chosen = sorted(stage.learnt()["selectedFeatures"])
    return lambda columns: {
        stage.params["outputCol"]: numbers(stage, columns[stage.params["featuresCol"]])[chosen]
    }


def vector_indexer(stage: SavedStage) -> Apply:
    """Slots with few values to the places of these."""
    keeps = _keeps(stage)
    maps = {place: dict(values) for place, values in stage.learnt()["categoryMaps"]}

    def indexed(values: Numbers) -> Numbers:
        made = values.copy()
        for place, places in maps.items():
            known = np.full(values.shape[1], False)
            made[place] = float(len(places))
            for value, index in places.items():
                here = values[place] == value
                made[place][here], known = index, known | here
            if not keeps and not known.all():
                raise _refuses(stage, f"a value in slot {place} that it does not know")
        return made

    return _of_vector(stage, indexed)


def _scaled(stage: SavedStage, shift: Numbers | None, scale: Numbers | None) -> Apply:
    def scaled(values: Numbers) -> Numbers:
        moved = values if shift is None else values - _column(shift)
        return moved if scale is None else moved * _column(scale)

    return _of_vector(stage, scaled)


def _of_vector(stage: SavedStage, function: Callable[[Numbers], Numbers]) -> Apply:
    return lambda columns: {
        stage.params["outputCol"]: function(numbers(stage, columns[stage.params["inputCol"]]))
    }


def _inverted(values: Numbers, of_zero: float) -> Numbers:
    return np.divide(1.0, values, out=np.full(len(values), of_zero), where=values != 0)


def _column(values: Numbers) -> Numbers:
    return values[:, np.newaxis]


def _signed(values: Numbers) -> Numbers:
    """Java sorts -0.0 before 0.0."""
    return np.where((values == 0) & np.signbit(values), _SMALLEST, values)


def _keeps(stage: SavedStage) -> bool:
    # A row that a stage would skip is refused beforehand, and else is as loud as an error.
    return bool(stage.require("handleInvalid", "error", "skip", _KEEP) == _KEEP)


def _refuses(stage: SavedStage, what: str) -> RowRefused:
    return RowRefused(f"stage {stage.uid} ({stage.kind}) refuses {what}")
