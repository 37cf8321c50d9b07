"""One try of one task: its run, what was asked for, and the record it leaves in the bundle."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from streamweir.connections import KafkaConnection, SparkConnection, StoreConnection
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import ObjectKey, Stream, stream_id_of
from streamweir.contracts.tables import Pipeline
from streamweir.errors import Retryable, Stop, StreamweirError
from streamweir_airflow.addresses import url
from streamweir_airflow.assets import new_champion
from streamweir_airflow.hooks import SCORER_STORE, KafkaHook, SparkHook, StoreHook

if TYPE_CHECKING:
    from airflow.sdk import Context

    from streamweir.objectstore import ObjectStore
    from streamweir.scorer.spec import Servers

SUCCESS = "success"
FAILED = "failed"
SKIPPED = "skipped"


@dataclass(frozen=True)
class Attempt:
    """What a task works with: the pipeline, the run, the params, and the connections, opened on demand.

    task_states: asks Airflow for the present state of each of the run's tasks; None for one without.
    cleared: whether somebody has cleared tasks of the run.
    """

    task: str
    pipeline: Pipeline
    run: Run
    params: Mapping[str, Any]
    started_at: datetime
    number: int
    task_states: Callable[[], Mapping[str, str | None]]
    cleared: bool = False

    @classmethod
    def of(cls, pipeline: str, context: "Context") -> "Attempt":
        """The attempt that a context describes; raises BadConfiguration for an unusable stream id."""
        from streamweir.contracts.pipelines import pipeline as declared

        instance = context["ti"]
        params, run_id = _with_integers(context["params"]), context["run_id"]
        if champion := new_champion(context, pipeline):
            params["model"] = params.get("model") or champion

        def task_states() -> Mapping[str, str | None]:
            return instance.get_task_states(dag_id=instance.dag_id, run_ids=[run_id])[run_id]

        return cls(
            task=instance.task_id,
            pipeline=declared(pipeline),
            run=Run(stream_of(pipeline, params, run_id), run_id),
            params=params,
            started_at=instance.start_date or datetime.now(UTC),
            number=instance.try_number,
            task_states=task_states,
            cleared=bool(context["dag_run"].clear_number),
        )

    @property
    def isolated(self) -> bool:
        """Whether the stream is the run's own."""
        return not self.params.get("stream")

    @property
    def again(self) -> bool:
        """Whether the run is worked on again, by hand or after an error: then a stop before it is past."""
        return self.cleared or self.number > 1

    @property
    def outage_s(self) -> int | None:
        """For how many seconds a server may be away before the run is given up; None: for ever."""
        from streamweir.scorer.spec import OUTAGE_S

        asked: int | None = self.params.get("outage_s")
        return OUTAGE_S if asked is None and self.isolated else asked

    @cached_property
    def store(self) -> "ObjectStore":
        """The object store, with the tasks' account."""
        return StoreHook().store

    @cached_property
    def kafka(self) -> KafkaConnection:
        """The Kafka cluster."""
        return KafkaHook().connection

    @cached_property
    def spark(self) -> SparkConnection:
        """The Spark master."""
        return SparkHook().connection

    @property
    def scorer_servers(self) -> "Servers":
        """What a scorer is given: its own account of the object store can do less than the tasks'."""
        return self._servers(StoreHook(SCORER_STORE).connection)

    @property
    def child_environment(self) -> dict[str, str]:
        """What a child process of a task is given: the task's own connections, and nothing of Airflow's."""
        from streamweir.scorer.launch import environment

        return environment(self._servers(StoreHook().connection))

    def _servers(self, store: StoreConnection) -> "Servers":
        from streamweir.scorer.spec import Servers

        return Servers(self.kafka, store, self.spark)

    def address(self, key: ObjectKey) -> str:
        """Where an object, or a prefix of objects, lies, for people; what the run left, with a link to it."""
        name = key.key.removeprefix(f"{self.run.bundle.key}/")
        link = f" ({self.link(name)})" if name != key.key else ""
        return f"s3://{self.store.bucket(key)}/{key.key}{link}"

    def link(self, name: str) -> str:
        """The page that shows a file of the run's bundle."""
        return url(self.pipeline.name, self.run.id, name)

    def record(self, outcome: str, *, error: str | None = None, result: object = None) -> None:
        """Write the task record that the report is made from."""
        ended_at = datetime.now(UTC)
        self.store.put_json(
            self.run.task(self.task),
            {
                "task": self.task,
                "attempt": self.number,
                "started_at": self.started_at.isoformat(),
                "ended_at": ended_at.isoformat(),
                "seconds": round((ended_at - self.started_at).total_seconds(), 3),
                "outcome": outcome,
                "error": error,
                "result": result if result is not None else {},
            },
        )


def _with_integers(params: Mapping[str, Any]) -> dict[str, Any]:
    """The params with 1.7e9 as the integer that JSON takes it for."""
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in params.items()
    }


def stream_of(pipeline: str, params: Mapping[str, Any], run_id: str) -> Stream:
    """The stream that was asked for, else the run's own."""
    return Stream(pipeline, params.get("stream") or stream_id_of(run_id))


def as_airflow(error: StreamweirError) -> AirflowException:
    """The same sentence as an Airflow error: retried only when trying again can help."""
    if isinstance(error, Stop) and not isinstance(error, Retryable):
        return AirflowFailException(str(error))
    return AirflowException(str(error))


def record_lost_task(context: "Context") -> None:
    """House failure callback: a task that was killed could not say so itself, but the report must name it."""
    task: Any = context["task"]
    if not getattr(task, "in_bundle", False):
        return
    attempt = Attempt.of(task.pipeline, context)
    found = attempt.store.get_json(attempt.run.task(attempt.task))
    if found is None or found["attempt"] != attempt.number or found["outcome"] != FAILED:
        attempt.record(FAILED, error=str(context.get("exception") or "the task was killed"))
