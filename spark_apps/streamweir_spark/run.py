"""A scorer's life: its lease, its query, its end and its exit code."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from pyspark.sql import SparkSession

from streamweir.broker.clients import consumer, kafka_errors
from streamweir.connections import KafkaConnection, SparkConnection, StoreConnection
from streamweir.contracts.pipelines import pipeline as pipeline_of
from streamweir.contracts.tables import Pipeline
from streamweir.errors import BadConfiguration, DependencyUnreachable
from streamweir.objectstore import ObjectStore
from streamweir.scorer import stop
from streamweir.scorer.lease import Lease, held
from streamweir.scorer.spec import ScorerSpec, parse
from streamweir.scorer.status import State
from streamweir.scorer.stop import Stopping, StopRequested
from streamweir_spark import executors
from streamweir_spark.failures import exit_code
from streamweir_spark.log import say, show_results
from streamweir_spark.scorer import Scorer
from streamweir_spark.session import open_session, spark_conf
from streamweir_spark.watch import Listener, QueryReporter

_LOOK_S = 0.5

Door = Callable[[Scorer], None]
"""What a pipeline's Spark app does: read, transform, write."""


def run(pipeline: Pipeline, door: Door, argv: Sequence[str] | None = None) -> int:
    """Score a stream until it is stopped; returns the exit code, which is 0 then.

    Every other end is said in one line that begins with `error:`.
    """
    with closing(Stopping()) as stopping:
        stopping.listen()
        return exit_code(lambda: _work(pipeline, door, argv, stopping))


def _work(pipeline: Pipeline, door: Door, argv: Sequence[str] | None, stopping: Stopping) -> None:
    spec, holder = parse(pipeline.name, argv)
    narrowed = pipeline_of(pipeline.name).of_stage(spec.stream.stage)
    _live(narrowed, door, spec, holder, stopping)


def _live(pipeline: Pipeline, door: Door, spec: ScorerSpec, holder: str, stopping: Stopping) -> None:
    kafka, store = KafkaConnection.from_env(), ObjectStore(StoreConnection.from_env())
    lease = Lease(store, spec.stream, holder)
    with held(lease, stopping.lose), tempfile.TemporaryDirectory(prefix="streamweir-") as folder:
        reporter = QueryReporter(store, spec, holder)
        reporter.show(state=State.STARTING)
        _check_topics(kafka, spec, pipeline)
        with ExitStack() as life:
            with reporter.doing("starting Spark"):
                spark = life.enter_context(_session(spec))
            scorer = Scorer(spec, pipeline, spark, kafka, store, lease, stopping, Path(folder))
            _await_executor(scorer, reporter)
            if not stopping.asked:
                _score(scorer, door, reporter)
    reporter.show(state=State.STOPPED, error=None, exit_code=0)


def _await_executor(scorer: Scorer, reporter: QueryReporter) -> None:
    said = ""
    while not scorer.stopping.asked and (missing := executors.missing(scorer.spark)):
        if missing != said:
            reporter.show(doing=f"waiting for {missing}")
            said = missing
        reporter.tick(moving=False)
        if _stop_requested(scorer):
            scorer.stopping.ask()
        scorer.stopping.wait(_LOOK_S)


def _score(scorer: Scorer, door: Door, reporter: QueryReporter) -> None:
    with reporter.doing("loading what it scores with"):
        door(scorer)
    reporter.show(scoring=scorer.scoring, doing="waiting for the first micro-batch")
    _watch(scorer, reporter)
    newest = scorer.sink.newest(reporter.batch_id)
    show_results(scorer.spark, scorer.store, scorer.spec.stream, scorer.pipeline, newest)


@contextmanager
def _session(spec: ScorerSpec) -> Iterator[SparkSession]:
    name = f"streamweir {spec.stream}"
    spark = open_session(
        spark_conf(name, spec.time_zone, SparkConnection.from_env(), StoreConnection.from_env())
    )
    say(f"{name}: Spark {spark.version} at {spark.sparkContext.master}, session time zone {spec.time_zone}")
    try:
        yield spark
    finally:
        spark.stop()


def _check_topics(kafka: KafkaConnection, spec: ScorerSpec, pipeline: Pipeline) -> None:
    # Spark would ask for a missing topic again and again before it says so.
    with kafka_errors(kafka, "list the topics"), closing(consumer(kafka)) as client:
        there = client.topics()
    missing = [name for topic in pipeline.topics if (name := topic.of(spec.stream)) not in there]
    if missing:
        raise BadConfiguration(
            f"Kafka has no topic {', '.join(missing)}: provision the stream's topics first"
        )


def _watch(scorer: Scorer, reporter: QueryReporter) -> None:
    query, stopping = scorer.query, scorer.stopping
    scorer.spark.streams.addListener(Listener(reporter, scorer.sink))
    say("scoring")
    evaluations = 0
    while query.isActive and not stopping.wait(_LOOK_S):
        if _stop_requested(scorer):
            stopping.ask()
        # A search for the rows that a model fails on may take minutes, and moves all the same.
        searching = scorer.sink.evaluations > evaluations
        evaluations = scorer.sink.evaluations
        scorer.sink.tick()
        reporter.tick(moving=searching or not query.status["isTriggerActive"])
    if stopping.asked:
        say("stopping")
        if stopping.lost is None:
            reporter.show(state=State.STOPPING)
        stopping.wait_for_micro_batch()
        query.stop()
    _raise_failure(scorer)
    # Only a scorer that stops in order: what failed comes again.
    scorer.sink.end(reporter.batch_id)


def _stop_requested(scorer: Scorer) -> bool:
    try:
        return stop.requested(scorer.store, scorer.spec.stream, scorer.lease.holder)
    except DependencyUnreachable as error:
        say(str(error))
        return False


def _raise_failure(scorer: Scorer) -> None:
    scorer.stopping.check()
    if isinstance(scorer.failure, StopRequested):
        return
    if scorer.failure is not None:
        raise scorer.failure
    found = scorer.query.exception()
    if found is not None:
        raise found
