"""Reading the parameters of Spark ML's Scala stages through py4j."""

from collections.abc import Iterator
from typing import Any

Stage = Any
"""A Scala object of Spark ML."""
INDEXER = "StringIndexerModel"
SQL = "SQLTransformer"
_KINDS = {
    "clustering": "a clustering",
    "feature": "a transformer of features",
    "fpm": "a miner of patterns",
    "recommendation": "a recommender",
    "regression": "a regression",
}
"""What a stage is, by its package."""
_MADE = (
    "rawPredictionCol", "probabilityCol", "predictionCol", "leafCol", "quantilesCol", "linkPredictionCol",
    "topicDistributionCol",
)  # fmt: skip


def kind_of(stage: Stage) -> str:
    """The stage's class without its package."""
    return str(stage.getClass().getSimpleName())


def title(stage: Stage) -> str:
    """How a person finds the stage."""
    return f"stage {stage.uid()} ({kind_of(stage)})"


def described(stage: Stage) -> str:
    """The stage by its title, and what it is for one that is no classifier."""
    package = str(stage.getClass().getName()).split(".")[-2]
    if stage.hasParam("rawPredictionCol"):
        return f"{title(stage)}, which makes raw predictions and no probability"
    return f"{title(stage)}, which is {_KINDS.get(package, 'no classifier')}"


def keys_of(table: Any) -> Iterator[Any]:
    """The keys of a Scala map."""
    keys = table.keysIterator()
    while keys.hasNext():
        yield keys.next()


def inputs_of(stage: Stage) -> list[str]:
    """The columns that a stage reads, labels and weights (needed for fitting only) left out."""
    return _columns(stage, "inputCols", "inputCol", "featuresCol")


def outputs_of(stage: Stage) -> list[str]:
    """The columns that a stage makes."""
    made = _columns(stage, "outputCols", "outputCol")
    for name in _MADE:
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
