"""The extra links of a task in Airflow's UI; they need nothing of the task, so every state of it has them."""

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator, BaseOperatorLink

from streamweir.contracts.runs import DATA_DOCS, REPORT
from streamweir_airflow.addresses import page, pipeline_of, run_page
from streamweir_airflow.operators.prepare import EnsureDataset, EnsureModel, ProvisionTopics
from streamweir_airflow.operators.replay import PlotLive, Replay
from streamweir_airflow.operators.results import Plot, PublishReport, Reconcile, Validate
from streamweir_airflow.operators.scorer import AwaitDrained, StartScorer
from streamweir_airflow.operators.stopping import StopScorer
from streamweir_airflow.operators.train import TrainModel

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey

# Airflow compares an operator's own class, not those that it stands on.
_OF_A_RUN: list[type[BaseOperator]] = [
    ProvisionTopics,
    EnsureDataset,
    EnsureModel,
    StartScorer,
    Replay,
    PlotLive,
    AwaitDrained,
    StopScorer,
    Reconcile,
    Validate,
    Plot,
    PublishReport,
]


class FilesLink(BaseOperatorLink):
    """All that the run keeps in the object store."""

    operators: ClassVar[list[type[BaseOperator]]] = [*_OF_A_RUN, TrainModel]
    name = "Files"

    def get_link(self, operator: BaseOperator, *, ti_key: "TaskInstanceKey") -> str:
        """The list of them."""
        return page(ti_key.dag_id, ti_key.run_id)


class RunLink(BaseOperatorLink):
    """How far the run is, and in the end what came out."""

    operators: ClassVar[list[type[BaseOperator]]] = [*_OF_A_RUN, TrainModel]
    name = "Run"

    def get_link(self, operator: BaseOperator, *, ti_key: "TaskInstanceKey") -> str:
        """The page of the run."""
        return run_page(ti_key.dag_id, ti_key.run_id)


class _OfAReplay(BaseOperatorLink):
    """A file that a replay's run has and a training has not."""

    operators: ClassVar[list[type[BaseOperator]]] = _OF_A_RUN
    file: ClassVar[str]

    def get_link(self, operator: BaseOperator, *, ti_key: "TaskInstanceKey") -> str:
        """The file; nothing, for a training, so that the UI shows no such link."""
        replays = pipeline_of(ti_key.dag_id) == ti_key.dag_id
        return page(ti_key.dag_id, ti_key.run_id, self.file) if replays else ""


class ReportLink(_OfAReplay):
    """The report."""

    name = "Report"
    file = REPORT


class DataDocsLink(_OfAReplay):
    """The quality checks' pages."""

    name = "Data Docs"
    file = DATA_DOCS


def links() -> list[Any]:
    """One of each."""
    return [RunLink(), ReportLink(), DataDocsLink(), FilesLink()]
