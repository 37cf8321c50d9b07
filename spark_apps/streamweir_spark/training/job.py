"""A training: what its door works with, and its life from arguments to exit code."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pyspark.ml import PipelineModel
from pyspark.sql import SparkSession

from streamweir.connections import SparkConnection, StoreConnection
from streamweir.contracts.streams import BUCKETS, ObjectKey
from streamweir.contracts.tables import Column, Pipeline
from streamweir.datasets import store as datasets
from streamweir.datasets.dataset import Dataset
from streamweir.errors import BadConfiguration, DatasetUnusable
from streamweir.models import archive
from streamweir.models.card import Card, proof_in_words
from streamweir.models.registry import Decision, Registry
from streamweir.models.rule import own_rule
from streamweir.models.saved import stages
from streamweir.objectstore import ObjectStore
from streamweir.scorer.spec import Parser
from streamweir_spark.failures import exit_code
from streamweir_spark.log import say
from streamweir_spark.proving import prove
from streamweir_spark.session import open_session, spark_conf
from streamweir_spark.training.examples import Examples, Split, split
from streamweir_spark.training.promotion import judge_on, promote_if_not_worse
from streamweir_spark.training.selection import Selected, select

_HERE = "local[*]"
_SAME_EVERYWHERE = {"spark.default.parallelism": "2"}
"""Trees are grown from samples drawn by partition: their number, not the machine's, decides the model."""


@dataclass
class Training:
    """One training in its driver. columns: what a model may use. folder: scratch. `publish` fills result."""

    pipeline: Pipeline
    columns: Sequence[Column]
    dataset: Dataset
    promote: bool
    spark: SparkSession
    store: ObjectStore
    folder: Path
    result: dict[str, Any] = field(default_factory=dict)

    def files(self, names: Sequence[str]) -> Path:
        """A folder with these files of the dataset; raises DatasetUnusable when it has no history."""
        if not self.dataset.history_fingerprint:
            raise DatasetUnusable(
                f"dataset {self.dataset.fingerprint} has no history to train on: "
                "give a model, or a dataset with its history files"
            )
        return datasets.download(self.store, self.dataset, self.folder / "dataset", names)

    def select(self, examples: Examples, *, sparse_ok: bool = False) -> tuple[Split, Selected]:
        """Split the examples by time, fit the candidates and take the best; `sparse_ok` as in `split`."""
        known = examples.complete()
        frauds = int(known.labels.sum())
        say(f"{len(known.rows)} examples of {len(examples.rows)} are complete; {frauds} are fraud")
        parts = split(known, sparse_ok=sparse_ok)
        return parts, select(self.spark, parts, self.columns, say)

    def publish(self, parts: Split, selected: Selected) -> None:
        """Make a version of what was selected, and let the gate decide about it."""
        registry = Registry(self.store, self.pipeline.name)
        card = self._publish(registry, parts, selected)
        say(f"published version {card.version}: {card.algorithm}, threshold {card.threshold:.4f}")
        say(f"numpy for it: {proof_in_words(card.numpy)}")
        decision = self._decide(registry, card, parts.report) if self.promote else None
        champion = registry.champion()
        self.result = {
            "version": card.version,
            "sha256": card.sha256,
            "algorithm": card.algorithm,
            "threshold": card.threshold,
            "metrics": dict(card.metrics),
            "pr_auc": card.metrics["pr_auc"],
            "promoted": decision is not None and decision.promoted,
            "reason": decision.reason if decision else "nobody asked for a promotion",
            "champion": champion.version if champion else None,
            "champion_pr_auc": decision.champion_pr_auc if decision else None,
        }

    def _publish(self, registry: Registry, parts: Split, selected: Selected) -> Card:
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            saved, packed = Path(scratch) / "model", Path(scratch) / "model.zip"
            selected.model.write().save(saved.as_uri())
            archive.pack(saved, packed)
            draft = replace(
                selected.card,
                history_fingerprint=self.dataset.history_fingerprint or "",
                own_rule=own_rule(stages(saved)),
                numpy=self._proof(saved, parts),
            )
            card = registry.publish(packed, draft)
            registry.put_selection(card)
            return card

    def _proof(self, model: Path, parts: Split) -> dict[str, Any]:
        history = pa.concat_tables([parts.train.rows, parts.select.rows, parts.report.rows])
        # As it was saved: making a model ready changes its stages.
        return prove(self.spark, model, PipelineModel.load(model.as_uri()), self.columns, history)

    def _decide(self, registry: Registry, card: Card, held_out: Examples) -> Decision:
        judge = judge_on(self.spark, registry, held_out, self.columns)
        decision = promote_if_not_worse(registry, card, len(held_out.rows), judge)
        say(f"{'promoted' if decision.promoted else 'not promoted'}: {decision.reason}")
        return decision


Door = Callable[[Training], None]
"""What a pipeline's training app does: read, select, publish."""


class _Arguments(NamedTuple):
    dataset: str
    promote: bool
    result: ObjectKey


def run(
    pipeline: Pipeline,
    columns: Sequence[Column],
    time_zone: str,
    door: Door,
    argv: Sequence[str] | None = None,
) -> int:
    """Train a version on a dataset's history; returns the exit code, which is 0 when one was published.

    The result is written as a JSON object. Every other end is said in one line that begins with `error:`.
    """

    def work() -> None:
        started = time.monotonic()
        arguments = _parse(pipeline.name, argv)
        store = ObjectStore(StoreConnection.from_env())
        dataset = datasets.load(store, pipeline.name, arguments.dataset)
        with (
            tempfile.TemporaryDirectory(prefix="streamweir-training-") as folder,
            _session(f"streamweir {pipeline.name} training", time_zone) as spark,
        ):
            training = Training(pipeline, columns, dataset, arguments.promote, spark, store, Path(folder))
            door(training)
        seconds = round(time.monotonic() - started, 1)
        store.put_json(arguments.result, training.result | {"seconds": seconds})
        say(f"trained in {seconds} s")

    return exit_code(work)


@contextmanager
def _session(name: str, time_zone: str) -> Iterator[SparkSession]:
    # A history fits one machine, and a model saved by executors elsewhere would lie on their disks.
    given = SparkConnection.from_env()
    master = given.master if given.master.startswith("local") else _HERE
    here = SparkConnection(master, {**given.conf, **_SAME_EVERYWHERE})
    spark = open_session(spark_conf(name, time_zone, here, StoreConnection.from_env()))
    try:
        yield spark
    finally:
        spark.stop()


def _parse(pipeline: str, argv: Sequence[str] | None) -> _Arguments:
    parser = Parser(prog=f"{pipeline}_train", description="Trains a model on a dataset's history.")
    parser.add_argument("--dataset", required=True, help="the dataset's fingerprint")
    parser.add_argument("--promote", action="store_true", help="let the gate make it the champion")
    parser.add_argument("--result", required=True, help="object to write the result to: <bucket>/<key>")
    values = parser.parse_args(argv)
    bucket, _, key = values.result.partition("/")
    if bucket not in BUCKETS or not key:
        raise BadConfiguration(f"--result {values.result!r} is no object: give <bucket>/<key>")
    return _Arguments(values.dataset, values.promote, ObjectKey(bucket, key))
