"""Indexed numbers, spelled as a model's labels spell them.

An indexer compares texts. Fitted on integers it knows "5000", and a stream of doubles says "5000.0": the
model would take every row for unknown. So an indexer of a number reads a text column beside the number.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from pyspark import SparkContext
from pyspark.ml import PipelineModel
from pyspark.ml.wrapper import JavaWrapper
from pyspark.sql import SparkSession

from streamweir.contracts.tables import Column, Type
from streamweir.values import parse_number
from streamweir_spark.columns import quoted
from streamweir_spark.flow import leaves
from streamweir_spark.scala import INDEXER, Stage, inputs_of, kind_of

_NUMBERS = {Type.INT: "BIGINT", Type.DOUBLE: "DOUBLE"}


def numbers_of(columns: Iterable[Column]) -> dict[str, Type]:
    """The columns that hold numbers, with their types."""
    return {column.name: column.type for column in columns if column.type in _NUMBERS}


def spell(spark: SparkSession, indexer: Stage, numbers: Mapping[str, Type]) -> dict[str, tuple[str, str]]:
    """Point an indexer at texts of these numbers where its labels spell them in another way than Spark does.

    numbers: the input columns that are numbers of the stream. Returns by the text column's name the number's
    column, and the SQL that makes the text: the label of the same number, else Spark's own text.
    """
    found: dict[str, tuple[str, str]] = {}
    sources = inputs_of(indexer)
    targets = list(sources)
    for place, (source, labels) in enumerate(zip(sources, indexer.labelsArray(), strict=True)):
        if source in numbers and (other := _other_spellings(spark, list(labels), numbers[source])):
            targets[place] = f"__streamweir_{source}_for_{indexer.uid()}"
            found[targets[place]] = source, _text(source, other, numbers[source])
    if found:
        _read(indexer, targets)
    return found


def spell_all(spark: SparkSession, model: PipelineModel, columns: Sequence[Column]) -> list[str]:
    """Do the same to all indexers of a pipeline; returns the SQL of the columns that its frame then needs."""
    found: dict[str, tuple[str, str]] = {}
    for stage in leaves(model):
        if kind_of(stage._to_java()) == INDEXER:
            found |= spell(spark, stage._to_java(), numbers_of(columns))
            # Before each use PySpark gives its own copy of the parameters to the Java object.
            stage._transfer_params_from_java()
    return [f"{text} AS {quoted(name)}" for name, (_, text) in found.items()]


def _other_spellings(spark: SparkSession, labels: list[str], kind: Type) -> dict[str, str]:
    """By Spark's text of a number the label of that number, where the two differ."""
    literals = {label: literal for label in labels if (literal := _literal(label, kind)) is not None}
    if not literals:
        return {}
    texts = spark.createDataFrame(list(literals.items()), "label string, literal string")
    pairs = texts.selectExpr("label", f"CAST(CAST(literal AS {_NUMBERS[kind]}) AS STRING)").collect()
    other: dict[str, str] = {}
    for label, text in pairs:
        # Of two labels of one number Spark's own goes first, then the more frequent one.
        if text not in literals:
            other.setdefault(text, label)
    return other


def _literal(label: str, kind: Type) -> str | None:
    """The label's number as a literal of the type; None where it is none that the type can hold."""
    try:
        parse_number(label)
    except ValueError:
        return None
    number = Decimal(label)
    if kind is Type.DOUBLE:
        return label
    return str(int(number)) if number == number.to_integral_value() and abs(number) < 2**63 else None


def _text(source: str, other: Mapping[str, str], kind: Type) -> str:
    # Added to 0, a negative zero is spelled like any other.
    text = f"CAST({quoted(source)} + CAST(0 AS {_NUMBERS[kind]}) AS STRING)"
    pairs = ", ".join(_string(part) for pair in other.items() for part in pair)
    return f"coalesce(try_element_at(map({pairs}), {text}), {text})"


def _string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _read(indexer: Stage, columns: list[str]) -> None:
    several = indexer.getParam("inputCols")
    if not indexer.isDefined(several):
        indexer.set(indexer.getParam("inputCol"), columns[0])
        return
    text = SparkContext._gateway.jvm.java.lang.String  # type: ignore[union-attr]
    indexer.set(several, JavaWrapper._new_java_array(columns, text))
