"""The way to the probability through a fitted pipeline: nested ones opened, what adds nothing left out."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pyspark.ml import PipelineModel
from pyspark.ml.tuning import CrossValidatorModel, TrainValidationSplitModel
from pyspark.sql import SparkSession

from streamweir.errors import ModelUnusable
from streamweir_spark.scala import INDEXER, SQL, Stage, described, inputs_of, kind_of, outputs_of, title

_PREDICTION = "__streamweir_prediction"
"""Where the prediction goes of a classifier that keeps it to itself."""
_FRAUD = frozenset(("true", "yes", "fraud"))
_ONE, _OTHERS = frozenset(("1", "1.0")), frozenset(("0", "0.0", "-1", "-1.0"))
"""1 means fraud beside one of these; beside 2 it may as well mean the first of two classes."""
_ONLY_TIDIES = frozenset(("ColumnPruner", "VectorAttributeRewriter"))
"""Stages inside an RFormulaModel that change no value."""


@dataclass(frozen=True)
class Step:
    """A stage and those of its inputs that the probability depends on."""

    stage: Stage
    reads: tuple[str, ...]


@dataclass(frozen=True)
class Flow:
    """The steps to the probability in order, the classifier last; `fraud_index` is fraud's place in it."""

    steps: tuple[Step, ...]
    fraud_index: int

    @classmethod
    def of(cls, model: PipelineModel, fraud_label: str | None = None) -> "Flow":
        """Raises ModelUnusable when no stage makes a probability of two classes, or which of them is fraud is
        not known. fraud_label: the label that means fraud, where the model's own labels do not say it.
        """
        stages = list(flatten(model))
        place = _classifier(stages)
        labels = _labels(stages, stages[place])
        if not stages[place].getPredictionCol():
            stages[place].setPredictionCol(_PREDICTION)
        return cls(tuple(_steps(stages[: place + 1])), _fraud_index(labels, fraud_label))

    @property
    def classifier(self) -> Stage:
        """The stage that makes the probability."""
        return self.steps[-1].stage

    @property
    def has_sql(self) -> bool:
        """Whether a stage is a SQL statement, which may read anything."""
        return any(kind_of(step.stage) == SQL for step in self.steps)

    def suit(self, spark: SparkSession) -> None:
        """Let a statement from before Spark 4 have null, as it expects, of a division by zero."""
        if self.has_sql:
            spark.conf.set("spark.sql.ansi.enabled", "false")

    @property
    def reads(self) -> set[str]:
        """All columns that a step reads."""
        return {name for step in self.steps for name in step.reads}

    def require(self, offered: Iterable[str], version: str) -> None:
        """Raises ModelUnusable with all inputs that are neither offered nor made by an earlier step."""
        offered = list(offered)
        there, missing = set(offered), dict[str, None]()
        for step in self.steps:
            if kind_of(step.stage) == SQL:
                break
            missing.update(dict.fromkeys(name for name in step.reads if name not in there))
            there.update(outputs_of(step.stage))
        if missing:
            raise ModelUnusable(
                f"model {version} needs {', '.join(missing)}, which the pipeline does not make; "
                f"a model may use: {', '.join(offered)}"
            )


def flatten(model: Any) -> Iterable[Stage]:
    """The stages of a fitted pipeline in order, with those inside other pipelines in their place."""
    for stage in leaves(model):
        yield from _open(stage._to_java())


def leaves(stage: Any) -> Iterable[Any]:
    """The same as PySpark has them; a formula stays one stage."""
    if isinstance(stage, PipelineModel):
        for part in stage.stages:
            yield from leaves(part)
    elif isinstance(stage, CrossValidatorModel | TrainValidationSplitModel):
        yield from leaves(stage.bestModel)
    else:
        yield stage


def _open(stage: Stage) -> Iterable[Stage]:
    if kind_of(stage) == "RFormulaModel":
        for part in stage.pipelineModel().stages():
            yield from _open(part)
    elif kind_of(stage) not in _ONLY_TIDIES:
        yield stage


def _classifier(stages: list[Stage]) -> int:
    for place in reversed(range(len(stages))):
        stage = stages[place]
        if stage.hasParam("probabilityCol") and stage.hasParam("labelCol"):
            if stage.numClasses() != 2:
                raise ModelUnusable(f"{title(stage)} knows {stage.numClasses()} classes: fraud or not are 2")
            if not stage.getProbabilityCol():
                raise ModelUnusable(f"{title(stage)} makes no probability: set its probabilityCol")
            return place
    last = described(stages[-1]) if stages else "an empty pipeline"
    raise ModelUnusable(f"no stage of the model makes a probability of two classes; the last is {last}")


def _steps(stages: list[Stage]) -> list[Step]:
    classifier = stages[-1]
    label = classifier.getLabelCol()
    steps = [Step(classifier, tuple(inputs_of(classifier)))]
    needed, everything = set(inputs_of(classifier)), False
    for stage in reversed(stages[:-1]):
        kind, outputs = kind_of(stage), outputs_of(stage)
        if kind == SQL:
            everything = True
            steps.append(Step(stage, ()))
        elif outputs != [label] and (everything or needed.intersection(outputs)):
            reads = _needed_inputs(stage, needed, everything, label)
            needed.update(reads)
            steps.append(Step(stage, tuple(reads)))
    return steps[::-1]


def _needed_inputs(stage: Stage, needed: set[str], everything: bool, label: str) -> list[str]:
    """An indexer of several columns may index the label beside them."""
    if kind_of(stage) != INDEXER:
        return inputs_of(stage)
    pairs = zip(inputs_of(stage), outputs_of(stage), strict=True)
    return [source for source, target in pairs if target in needed or (everything and target != label)]


def _labels(stages: list[Stage], classifier: Stage) -> list[str] | None:
    """The label's values in the order of the model's probabilities; None where no stage tells."""
    label = classifier.getLabelCol()
    for stage in stages:
        if kind_of(stage) == INDEXER and label in outputs_of(stage):
            return list(stage.labelsArray()[outputs_of(stage).index(label)])
        if kind_of(stage) == "IndexToString" and stage.getInputCol() == classifier.getPredictionCol():
            # Without labels of its own it takes them from a column's metadata, which a stream does not have.
            own = stage.isDefined(stage.getParam("labels")) and list(stage.getLabels())
            return own or None
    return None


def _fraud_index(labels: list[str] | None, asked: str | None) -> int:
    """The place of fraud among the labels; a model that does not know them calls fraud 1."""
    known = ["0", "1"] if labels is None else labels
    if asked:
        if asked not in known:
            raise ModelUnusable(f"fraud_label is {asked!r}, which is no label of the model: {_listed(known)}")
        return known.index(asked)
    found = [place for place, label in enumerate(known) if _means_fraud(label, known)]
    if len(found) != 1:
        raise ModelUnusable(
            f"the model's labels are {_listed(known)}, and which of them means fraud is not known: "
            "name it with fraud_label"
        )
    return found[0]


def _means_fraud(label: str, labels: list[str]) -> bool:
    if label in _ONE:
        return all(other in _OTHERS for other in labels if other != label)
    return label.lower() in _FRAUD


def _listed(labels: list[str]) -> str:
    return " and ".join(f"{label!r:.80}" for label in labels)
