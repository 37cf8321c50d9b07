"""What a door works with: the stream's messages, its static files, its model, and where results go."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from streamweir.connections import KafkaConnection
from streamweir.contracts.models import NUMPY, SPARK
from streamweir.contracts.tables import Column, Pipeline
from streamweir.datasets import store as datasets
from streamweir.datasets.dataset import Dataset
from streamweir.errors import StreamweirError
from streamweir.models.card import proof_in_words
from streamweir.models.registry import Registry
from streamweir.models.rule import deciding
from streamweir.objectstore import ObjectStore
from streamweir.replay.csvfile import text_rows
from streamweir.scorer.lease import Lease
from streamweir.scorer.spec import ScorerSpec
from streamweir.scorer.stop import Stopping
from streamweir_spark.columns import spark_schema
from streamweir_spark.core import Domain, Reader
from streamweir_spark.log import say
from streamweir_spark.micro_batch import Files, Results
from streamweir_spark.numpy_model import NumpyModel, proven
from streamweir_spark.placement import InDriver, OnExecutors, Placement
from streamweir_spark.publish import Publisher
from streamweir_spark.sink import Sink
from streamweir_spark.source import claiming, read_messages

if TYPE_CHECKING:
    from streamweir_spark.model import ScoringModel

_TRIGGER = "200 milliseconds"
"""How often Kafka is asked for news. Without a pause an idle stream would ask all the time."""


@dataclass
class Scorer:
    """One scorer in its driver.

    `folder` is a scratch folder; `sink`, `query` and `failure` come with `write`, and `scoring` with `model`:
    what gives its scores.
    """

    spec: ScorerSpec
    pipeline: Pipeline
    spark: SparkSession
    kafka: KafkaConnection
    store: ObjectStore
    lease: Lease
    stopping: Stopping
    folder: Path
    sink: Sink = field(init=False)
    query: StreamingQuery = field(init=False)
    failure: StreamweirError | None = None
    scoring: str = ""

    def read(self) -> DataFrame:
        """The stream's messages."""
        spec = self.spec
        return read_messages(self.spark, self.kafka, spec.stream, self.pipeline, spec.max_messages)

    def transform(self, messages: DataFrame, reader: Reader, domain: Domain) -> Placement:
        """What the core makes of the messages, with the objects that they name; where, says the master."""
        reader, stream = claiming(reader, self.pipeline, self.store.connection), self.spec.stream
        if self._is_local:
            return InDriver(messages, reader, domain, stream)
        return OnExecutors(messages, reader, domain, stream, self.pipeline.shards)

    def write(self, outputs: Placement, results: Results, files: Files | None = None) -> None:
        """Begin to write what the core puts out, micro-batch by micro-batch."""
        stream = self.spec.stream
        topics = [topic.of(stream) for topic in self.pipeline.outputs]
        publisher = Publisher(self.kafka, stream.writer, topics, self._before_opening)
        self.sink = Sink(
            stream,
            self.pipeline,
            self.store,
            publisher,
            outputs,
            results,
            self.before_writing,
            lateness_s=self.spec.lateness_s,
            # A pipeline that scores no rows has no such option.
            retention_s=self.spec.options.get("retention_s", 0),
            files=files,
        )
        self.query = (
            outputs.frame.writeStream.queryName(str(stream))
            .option("checkpointLocation", self.store.uri(stream.checkpoint))
            .trigger(processingTime=_TRIGGER)
            .outputMode("append")
            .foreachBatch(self._micro_batch)
            .start()
        )

    def static_rows(self, name: str) -> list[dict[str, str]]:
        """The rows of one of the dataset's static files; see `text_rows`."""
        return list(text_rows(self.static_file(name)))

    def static_file(self, name: str) -> Path:
        """One of the dataset's static files."""
        return datasets.download(self.store, self._dataset, self.folder / "dataset", [name]) / name

    def before_writing(self) -> None:
        """Before each write; raises when nothing may be written any more."""
        self.stopping.check()
        self.lease.ensure()

    def model(self, columns: tuple[Column, ...]) -> "ScoringModel | NumpyModel":
        """The model to score with; `columns` are those that it may use. Raises ModelUnusable."""
        registry, options = Registry(self.store, self.pipeline.name), self.spec.options
        folder, card = registry.fetch(self.spec.model, self.folder / "models"), registry.card(self.spec.model)
        threshold, fraud_label = options.get("threshold"), options.get("fraud_label")
        rule = deciding(threshold, card)
        say(rule.sentence)
        say(f"numpy for model {card.version}: {proof_in_words(card.numpy)}")
        # Which class is fraud was settled at the proof, by the model's own labels.
        if card.proven and not fraud_label and options.get("scoring") != SPARK:
            self.scoring = NUMPY
            return proven(folder, card, rule.threshold)
        self.scoring = SPARK
        # Half a second of CPU to import, which a scorer without Spark's models does without.
        from streamweir_spark.model import Asked, load

        asked = Asked(threshold, fraud_label)
        return load(self.spark, self._for_executors(folder), card, columns, asked)

    def show_frame(self, columns: Iterable[Column]) -> None:
        """Print the schema of the frame that goes to the model."""
        say("the frame that goes to the model:")
        self.spark.createDataFrame([], spark_schema(columns)).printSchema()

    def _for_executors(self, model: Path) -> str:
        """The model's address; executors on other machines cannot read the driver's disk."""
        if self._is_local:
            return model.as_uri()
        shared = self.spec.stream.own / "model" / self.spec.model
        self.store.upload_folder(shared, model)
        return self.store.uri(shared)

    @property
    def _is_local(self) -> bool:
        return (self.spark.sparkContext.master or "").startswith("local[")

    @cached_property
    def _dataset(self) -> Dataset:
        return datasets.load(self.store, self.pipeline.name, self.spec.dataset)

    def _before_opening(self) -> None:
        # Asked of the store itself: a driver that was suspended for long does not know that it was replaced.
        self.stopping.check()
        self.lease.renew()

    def _micro_batch(self, frame: DataFrame, batch_id: int) -> None:
        try:
            with self.stopping.micro_batch():
                self.sink.write(frame, batch_id)
        except StreamweirError as error:
            # Spark would wrap it; the driver's exit code depends on which one it was.
            self.failure = error
            raise
