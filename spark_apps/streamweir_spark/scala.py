"""Reading the parameters of Spark ML's Scala stages through py4j."""

from typing import Any

Stage = Any
"""A Scala object of Spark ML."""


def kind_of(stage: Stage) -> str:
    """The stage's class without its package."""
    return str(stage.getClass().getSimpleName())


def title(stage: Stage) -> str:
    """How a person finds the stage."""
    return f"stage {stage.uid()} ({kind_of(stage)})"


def inputs_of(stage: Stage) -> list[str]:
    """The columns that a stage reads, labels and weights (needed for fitting only) left out."""
    return _columns(stage, "inputCols", "inputCol", "featuresCol")


def outputs_of(stage: Stage) -> list[str]:
    """The columns that a stage makes."""
    made = _columns(stage, "outputCols", "outputCol")
    for name in ("rawPredictionCol", "probabilityCol", "predictionCol"):
        made += _columns(stage, name)
    return made


def _columns(stage: Stage, *params: str) -> list[str]:
    # The first that is set, in this order: a stage has either a list of columns or a single one.
    for name in params:
        if stage.hasParam(name) and stage.isDefined(stage.getParam(name)):
            value = stage.getOrDefault(stage.getParam(name))
            found = [value] if isinstance(value, str) else list(value)
            return [column for column in found if column]
    return []
