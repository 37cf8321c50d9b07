"""What each stage of a fitted pipeline asks of a row, worked out before the first row arrives.

Spark ML's stages may drop rows (`handleInvalid=skip`), or fail the whole micro-batch on one (`error`). An
`Examiner` goes through the stages in order, keeps for every column where its values come from, and turns
what a stage refuses into needs of the *original* columns. A stage that drops rows is then set to `error`:
rows that fulfil the needs pass, none is dropped in silence, and an unknown gap would be loud.
"""

import math
from collections.abc import Callable

from streamweir.errors import ModelUnusable
from streamweir_spark.needs import MADE, Demands, Origin, unforeseeable
from streamweir_spark.scala import (
    INDEXER,
    SQL,
    Stage,
    described,
    inputs_of,
    keys_of,
    kind_of,
    outputs_of,
)

_BINARY = Origin(labels=("0", "1"), sure=True)
_UNSEEN = 2147483647.0
"""A target encoder keeps what it says of unseen values under this one."""


class Examiner(Demands):
    """Goes through the stages."""

    def examine(self, stage: Stage) -> dict[str, Origin]:
        """The origins of the columns that the stage makes; the stage is then set never to drop a row.

        Raises ModelUnusable when it may drop or refuse a row for a reason that no original column shows.
        """
        kind = kind_of(stage)
        made = _TREATMENTS[kind](self, stage) if kind in _TREATMENTS else self._plain(stage, kind)
        if stage.hasParam("handleInvalid") and stage.getHandleInvalid() == "skip":
            stage.set(stage.getParam("handleInvalid"), "error")
        return made

    def _plain(self, stage: Stage, kind: str) -> dict[str, Origin]:
        predicts = stage.hasParam("featuresCol") and stage.hasParam("predictionCol")
        if kind not in _TAKES_WHAT_IS_THERE and not predicts:
            raise ModelUnusable(f"{described(stage)}, is not known to keep every row: leave it out")
        for name in inputs_of(stage):
            self.demand_value(stage, name)
        return dict.fromkeys(outputs_of(stage), MADE)

    def _lenient(self, stage: Stage) -> dict[str, Origin]:
        return dict.fromkeys(outputs_of(stage), MADE)

    def _string_indexer(self, stage: Stage) -> dict[str, Origin]:
        made = {}
        keeps = stage.getHandleInvalid() == "keep"
        every_labels = [tuple(labels) for labels in stage.labelsArray()]
        for source, target, labels in zip(inputs_of(stage), outputs_of(stage), every_labels, strict=True):
            # Spark itself passes over an input that is not there; a label is none in a stream.
            if source not in self.origins:
                continue
            if not keeps:
                self.demand_category(stage, source, labels)
            origin = self.origins[source]
            # With `keep`, one index more stands for everything else.
            known = (*labels, None) if keeps else labels
            made[target] = Origin(origin.column if origin.same else None, labels=known, sure=True)
        return made

    def _one_hot_encoder(self, stage: Stage) -> dict[str, Origin]:
        made = {}
        keeps = stage.getHandleInvalid() == "keep"
        pairs = zip(inputs_of(stage), outputs_of(stage), stage.categorySizes(), strict=True)
        for source, target, size in pairs:
            self._demand_index(stage, source, size, keeps)
            width = size + keeps - stage.getDropLast()
            made[target] = Origin(sure=True, slots=(_BINARY,) * width)
        return made

    def _demand_index(self, stage: Stage, source: str, size: int, keeps: bool) -> None:
        origin = self.origins[source]
        if origin.labels is not None:
            if len(origin.labels) > size and not keeps:
                if origin.column is None:
                    raise unforeseeable(stage, source)
                self.narrow(origin.column, set(origin.labels[:size]))
        elif not origin.same:
            raise unforeseeable(stage, source)
        elif keeps:
            self.demand_range(origin.column, 0.0, math.inf)
        else:
            self.demand_category(stage, source, map(str, range(size)))

    def _vector_assembler(self, stage: Stage) -> dict[str, Origin]:
        slots: list[Origin] | None = []
        for name in inputs_of(stage):
            if stage.getHandleInvalid() != "keep":
                self.demand_value(stage, name)
            origin = self.origins[name]
            # The width of a vector whose elements are unknown is unknown too.
            width_known = origin.slots is not None or origin.same or origin.labels is not None
            parts = origin.slots if origin.slots is not None else (origin,)
            slots = [*slots, *parts] if slots is not None and width_known else None
        return {stage.getOutputCol(): Origin(sure=True, slots=None if slots is None else tuple(slots))}

    def _vector_indexer(self, stage: Stage) -> dict[str, Origin]:
        source = stage.getInputCol()
        self.demand_value(stage, source)
        if stage.getHandleInvalid() != "keep":
            slots = self.origins[source].slots
            for place, values in stage.javaCategoryMaps().items():
                if slots is None or not self._restrict_slot(slots[place], set(values)):
                    raise unforeseeable(stage, source)
        return {stage.getOutputCol(): MADE}

    def _restrict_slot(self, slot: Origin, values: set[float]) -> bool:
        if slot.same and slot.column is not None:
            self.narrow(slot.column, {repr(value) for value in values})
            return True
        if slot.labels is None:
            return False
        known = {label for index, label in enumerate(slot.labels) if float(index) in values}
        if known >= set(slot.labels):
            return True
        if slot.column is not None:
            self.narrow(slot.column, known - {None})
        return slot.column is not None

    def _bucketizer(self, stage: Stage) -> dict[str, Origin]:
        made = {}
        several = stage.isSet(stage.getParam("inputCols"))
        every_splits = stage.getSplitsArray() if several else [stage.getSplits()]
        for source, target, splits in zip(inputs_of(stage), outputs_of(stage), every_splits, strict=True):
            low, high = splits[0], splits[-1]
            self.demand_value(stage, source)
            if not math.isinf(low) or not math.isinf(high):
                if not self.origins[source].same:
                    raise unforeseeable(stage, source)
                self.demand_range(self.origins[source].column, low, high)
            made[target] = MADE
        return made

    def _naive_bayes(self, stage: Stage) -> dict[str, Origin]:
        # What an element was made into by a scaler cannot be told: such a row is found when it is scored.
        for slot in self.origins[stage.getFeaturesCol()].slots or ():
            if stage.getModelType() == "bernoulli":
                self._restrict_slot(slot, {0.0, 1.0})
            elif stage.getModelType() != "gaussian" and slot.same:
                self.demand_range(slot.column, 0.0, math.inf)
        return self._plain(stage, "NaiveBayesModel")

    def _target_encoder(self, stage: Stage) -> dict[str, Origin]:
        if stage.getHandleInvalid() != "keep":
            for source, known in zip(inputs_of(stage), stage.stats(), strict=True):
                values = (value for value in keys_of(known) if value != _UNSEEN)
                self.demand_category(stage, source, map(str, values))
        return dict.fromkeys(outputs_of(stage), MADE)

    def _size_hint(self, stage: Stage) -> dict[str, Origin]:
        source = stage.getInputCol()
        self.demand_value(stage, source)
        slots = self.origins[source].slots
        if stage.getHandleInvalid() != "optimistic" and (slots is None or len(slots) != stage.getSize()):
            raise unforeseeable(stage, source)
        stage.set(stage.getParam("handleInvalid"), "optimistic")
        return {source: self.origins[source]}


_TREATMENTS: dict[str, Callable[[Examiner, Stage], dict[str, Origin]]] = {
    "Binarizer": Examiner._lenient,
    "Bucketizer": Examiner._bucketizer,
    "FeatureHasher": Examiner._lenient,
    "ImputerModel": Examiner._lenient,
    "NaiveBayesModel": Examiner._naive_bayes,
    "OneHotEncoderModel": Examiner._one_hot_encoder,
    # Which columns it makes, only Spark's analysis tells; see `streamweir_spark.model`.
    SQL: lambda examiner, stage: {},
    INDEXER: Examiner._string_indexer,
    "TargetEncoderModel": Examiner._target_encoder,
    "VectorAssembler": Examiner._vector_assembler,
    "VectorIndexerModel": Examiner._vector_indexer,
    "VectorSizeHint": Examiner._size_hint,
}

_TAKES_WHAT_IS_THERE = (
    "ChiSqSelectorModel", "CountVectorizerModel", "DCT", "ElementwiseProduct", "HashingTF", "IDFModel",
    "Interaction", "MaxAbsScalerModel", "MinMaxScalerModel", "NGram", "Normalizer", "PCAModel",
    "PolynomialExpansion", "RegexTokenizer", "RobustScalerModel", "StandardScalerModel",
    "StopWordsRemover", "Tokenizer", "UnivariateFeatureSelectorModel", "VarianceThresholdSelectorModel",
    "VectorSlicer", "Word2VecModel",
)  # fmt: skip
"""Stages that give one row for each row whose inputs are not null."""
