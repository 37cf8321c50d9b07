"""Training, as a process of the engine room."""

import os
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from streamweir.connections import SparkConnection
from streamweir.contracts.models import ModelKeys
from streamweir.contracts.streams import ObjectKey
from streamweir.errors import StreamweirError
from streamweir.work import work_folder
from streamweir_airflow.attempt import Attempt
from streamweir_airflow.operators.base import Result, StreamweirOperator
from streamweir_airflow.operators.scorer import UNIVERSAL
from streamweir_airflow.processes import Child

if TYPE_CHECKING:
    from streamweir.scorer.command import Installation


class Training(StreamweirOperator):
    """What tasks that train share: the process, its log lines, its result."""

    template_fields: Sequence[str] = ("dataset",)

    def __init__(self, *, dataset: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset

    @cached_property
    def child(self) -> Child:
        """The process that trains."""
        return Child("the training", self.log)

    @cached_property
    def proof(self) -> Child:
        """The process that compares numpy's scores of a model with Spark's."""
        return Child("the proof", self.log)

    def train(self, attempt: Attempt) -> dict[str, Any]:
        """Train on the dataset's history, let the gate decide; returns what the training wrote."""
        result = attempt.run.training
        command = training_command(self.pipeline, self.dataset, result, spark=attempt.spark, at=_here())
        self.child.run(command, attempt.child_environment)
        found: dict[str, Any] | None = attempt.store.get_json(result)
        if found is None:
            raise StreamweirError(f"the training ended without a result at {result}; its log lines are above")
        return found

    def prove(self, attempt: Attempt, version: str) -> None:
        """Let the engine room compare numpy's scores of a version with Spark's, and note it in the card."""
        zone = attempt.params.get("time_zone", UNIVERSAL)
        command = proving_command(self.pipeline, version, zone, spark=attempt.spark, at=_here())
        self.proof.run(command, attempt.child_environment)

    def result_key(self, attempt: Attempt, result: Result) -> ObjectKey:
        """The version."""
        return ModelKeys(self.pipeline).root / result["version"]

    def news(self, attempt: Attempt, result: Result) -> Result | None:
        """The champion, whoever made it one: which version, on which figures, and where it lies."""
        from streamweir.models.registry import Registry

        champion = Registry(attempt.store, self.pipeline).champion()
        if champion is None:
            return None
        told = ("pr_auc", "champion", "champion_pr_auc", "held_out_rows", "reason", "decided_at")
        decided = {("before" if name == "champion" else name): champion.decision.get(name) for name in told}
        address = attempt.address(ModelKeys(self.pipeline).root / champion.version)
        return {"version": champion.version, **decided, "address": address}

    def on_kill(self) -> None:
        """A task that is killed takes its processes along."""
        self.child.end()
        self.proof.end()


class TrainModel(Training):
    """Trains a version; it becomes the champion only if it is not worse on the same held-out rows."""

    def work(self, attempt: Attempt) -> Result:
        """Returns the version, the decision and both figures."""
        return self.train(attempt)


def _here() -> "Installation":
    from streamweir.scorer import package
    from streamweir.scorer.command import locate

    return locate(package.build(work_folder() / "packages"), os.environ)


def proving_command(
    pipeline: str, version: str, time_zone: str, *, spark: SparkConnection, at: "Installation"
) -> list[str]:
    """The command that compares numpy's scores of a version with Spark's, and notes it in the card."""
    from streamweir.scorer.command import spark_submit

    arguments = ["--pipeline", pipeline, "--model", version, "--time-zone", time_zone]
    return spark_submit("prove_model", arguments, name=f"streamweir {pipeline} proof", spark=spark, at=at)


def training_command(
    pipeline: str, dataset: str, result: ObjectKey, *, spark: SparkConnection, at: "Installation"
) -> list[str]:
    """The command that trains on a dataset's history and writes its result as a JSON object."""
    from streamweir.scorer.command import spark_submit

    arguments = ["--dataset", dataset, "--promote", "--result", str(result)]
    name = f"streamweir {pipeline} training"
    return spark_submit(f"{pipeline}_train", arguments, name=name, spark=spark, at=at)
