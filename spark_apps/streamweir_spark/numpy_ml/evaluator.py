"""A saved pipeline made ready to be evaluated with numpy, up to the stage that makes the probability."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from streamweir_spark.numpy_ml import classifiers, features
from streamweir_spark.numpy_ml.classifiers import Probability, Raw, Scores
from streamweir_spark.numpy_ml.features import Apply
from streamweir_spark.numpy_ml.stages import NotEvaluated, Numbers, SavedStage, numbers, stages_of

_TRANSFORMERS: dict[str, Callable[[SavedStage], Apply]] = {
    "Binarizer": features.binarizer,
    "Bucketizer": features.bucketizer,
    "ChiSqSelectorModel": features.selector,
    "ElementwiseProduct": features.elementwise_product,
    "ImputerModel": features.imputer,
    "MaxAbsScalerModel": features.max_abs_scaler,
    "MinMaxScalerModel": features.min_max_scaler,
    "OneHotEncoderModel": features.one_hot_encoder,
    "RobustScalerModel": features.robust_scaler,
    "StandardScalerModel": features.standard_scaler,
    "StringIndexerModel": features.string_indexer,
    "UnivariateFeatureSelectorModel": features.selector,
    "VarianceThresholdSelectorModel": features.selector,
    "VectorAssembler": features.vector_assembler,
    "VectorIndexerModel": features.vector_indexer,
    "VectorSlicer": features.vector_slicer,
}
_CLASSIFIERS: dict[str, Callable[[SavedStage], Scores]] = {
    "DecisionTreeClassificationModel": classifiers.decision_tree,
    "GBTClassificationModel": classifiers.boosted_trees,
    "LogisticRegressionModel": classifiers.logistic_regression,
    "MultilayerPerceptronClassificationModel": classifiers.perceptron,
    "NaiveBayesModel": classifiers.naive_bayes,
    "RandomForestClassificationModel": classifiers.random_forest,
}


@dataclass(frozen=True)
class Found:
    """The scores of some rows. raw, probability: classes x rows; raw is None where the model makes none.

    prediction: by row the class that the model's own rule takes.
    """

    raw: Numbers | None
    probability: Numbers
    prediction: Numbers


@dataclass(frozen=True)
class Evaluator:
    """Evaluates a pipeline's stages in order; the classifier is the last one."""

    _transformers: tuple[Apply, ...]
    _classifier: SavedStage
    _raw: Raw
    _probability: Probability

    def __call__(self, rows: pa.Table) -> Found:
        """The scores of the rows, which have the columns that the model reads.

        Raises RowRefused when a stage refuses one of them, NotEvaluated for a column of an unforeseen type.
        """
        columns: dict[str, Any] = {
            name: column.combine_chunks()
            for name, column in zip(rows.column_names, rows.columns, strict=True)
        }
        params = self._classifier.params
        # As in Spark, a number that is too large becomes infinite, and what is made of that no number.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for apply in self._transformers:
                columns |= apply(columns)
            raw = self._raw(numbers(self._classifier, columns[params["featuresCol"]]))
            probability = self._probability(raw)
            shown = raw if params["rawPredictionCol"] else None
            return Found(shown, probability, _predicted(self._classifier, shown, probability))


def load(model: Path, uids: Sequence[str]) -> Evaluator:
    """The stages with these ids of a saved model; the last one is the classifier.

    Raises NotEvaluated for a stage or a setting that numpy does not evaluate, ModelUnusable for a file that
    cannot be read.
    """
    there = {stage.uid: stage for stage in stages_of(model)}
    if missing := [uid for uid in uids if uid not in there]:
        raise NotEvaluated(f"numpy does not find stage {', '.join(missing)} among the model's files")
    *before, classifier = (there[uid] for uid in uids)
    transformers = tuple(_known(_TRANSFORMERS, stage)(stage) for stage in before)
    raw, probability = _known(_CLASSIFIERS, classifier)(classifier)
    return Evaluator(transformers, classifier, raw, probability)


def _known(
    kinds: Mapping[str, Callable[[SavedStage], Any]], stage: SavedStage
) -> Callable[[SavedStage], Any]:
    if stage.kind not in kinds:
        raise NotEvaluated(f"stage {stage.uid} is a {stage.kind}, which numpy does not evaluate")
    return kinds[stage.kind]


def _predicted(stage: SavedStage, raw: Numbers | None, probability: Numbers) -> Numbers:
    """The class that Spark's own rule takes of each row."""
    thresholds = stage.params.get("thresholds")
    if stage.kind == "LogisticRegressionModel" and not stage.learnt()["isMultinomial"]:
        threshold = 1.0 / (1.0 + thresholds[0] / thresholds[1]) if thresholds else stage.params["threshold"]
        if raw is None:
            return probability[1] > threshold
        return raw[1] > np.log(np.divide(threshold, 1.0 - threshold))
    if thresholds:
        first, second = (each / by for each, by in zip(probability, map(np.float64, thresholds), strict=True))
        return second > np.where(np.isnan(first), -np.inf, first)
    scores = probability if raw is None else raw
    return scores[1] > scores[0]
