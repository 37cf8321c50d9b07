"""The way to the probability through a fitted pipeline: nested ones opened, what adds nothing left out."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pyspark.ml import PipelineModel
from pyspark.ml.tuning import CrossValidatorModel, TrainValidationSplitModel

from streamweir.errors import ModelUnusable
from streamweir_spark.scala import Stage, inputs_of, kind_of, outputs_of, title

SQL = "SQLTransformer"
_FRAUD = frozenset(("1", "1.0", "true", "yes", "fraud"))
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
    def of(cls, model: PipelineModel) -> "Flow":
        """Raises ModelUnusable when no stage makes a probability of two classes."""
        stages = list(flatten(model))
        place = _classifier(stages)
        return cls(tuple(_steps(stages[: place + 1])), _fraud_index(stages, stages[place]))

    @property
    def classifier(self) -> Stage:
        """The stage that makes the probability."""
        return self.steps[-1].stage

    @property
    def has_sql(self) -> bool:
        """Whether a stage is a SQL statement, which may read anything."""
        return any(kind_of(step.stage) == SQL for step in self.steps)

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


def flatten(stage: Any) -> Iterable[Stage]:
    """The stages of a fitted pipeline in order, with those inside other pipelines in their place."""
    if isinstance(stage, PipelineModel):
        for part in stage.stages:
            yield from flatten(part)
    elif isinstance(stage, CrossValidatorModel | TrainValidationSplitModel):
        yield from flatten(stage.bestModel)
    else:
        yield from _open(stage._to_java())


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
    last = title(stages[-1]) if stages else "an empty pipeline"
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
    if kind_of(stage) != "StringIndexerModel":
        return inputs_of(stage)
    pairs = zip(inputs_of(stage), outputs_of(stage), strict=True)
    return [source for source, target in pairs if target in needed or (everything and target != label)]


def _fraud_index(stages: list[Stage], classifier: Stage) -> int:
    """The place of fraud among the label's values when an indexer of the label tells, else 1."""
    label = classifier.getLabelCol()
    for stage in stages:
        if kind_of(stage) == "StringIndexerModel" and label in outputs_of(stage):
            values = list(stage.labelsArray()[outputs_of(stage).index(label)])
        elif kind_of(stage) == "IndexToString" and stage.getInputCol() == classifier.getPredictionCol():
            values = list(stage.getLabels())
        else:
            continue
        found = [place for place, value in enumerate(values) if value.lower() in _FRAUD]
        if len(found) == 1:
            return found[0]
    return 1
