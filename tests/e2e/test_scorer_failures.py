"""Models that cannot be used, through the DAG: what the driver says last is what the failed task says."""

import json
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from infra.demo.airflow_api import AirflowApi
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream, stream_id_of
from streamweir.datagen import generator
from streamweir.objectstore import ObjectStore
from streamweir.progress import no_progress
from streamweir.scorer.status import State, Status, read

DAG = "ecommerce_fraud"
MODEL = Path(__file__).parents[1] / "fixtures" / "spark35_model.zip"
BATCHES = 5
_SECONDS = 900

# A busy machine takes its time to start a driver three times.
pytestmark = pytest.mark.timeout(_SECONDS + 60)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    generator(DAG)(folder, seed=12, batches=BATCHES, history_batches=20, progress=no_progress)
    return folder


class Failed:
    """A run that failed."""

    def __init__(self, airflow: AirflowApi, store: ObjectStore, dataset: Path, model: Path) -> None:
        self._store = store
        run_id = f"failure__{uuid.uuid4().hex[:8]}"
        self._run = Run(Stream(DAG, stream_id_of(run_id)), run_id)
        airflow.trigger(DAG, run_id, {"dataset": str(dataset), "model": str(model), "speed": 0})
        ended = Retrying(
            retry=retry_if_result(lambda state: state not in ("success", "failed")),
            wait=wait_fixed(1),
            stop=stop_after_delay(_SECONDS),
        )
        assert ended(airflow.run_state, DAG, run_id) == "failed"
        self.tries = {task.task: task.tries for task in airflow.tasks(DAG, run_id)}

    @property
    def status(self) -> Status:
        found = read(self._store, self._run.stream)
        assert found is not None
        return found

    def sentence(self, task: str) -> str:
        """What a task said when it failed."""
        record = self._store.get_json(self._run.task(task))
        assert record["outcome"] == "failed"
        return str(record["error"])

    @property
    def report(self) -> str:
        return (self._store.get(self._run.report) or b"").decode()


def test_a_model_that_needs_a_column_that_does_not_exist_is_refused_before_the_stream_starts(
    airflow: AirflowApi, store: ObjectStore, small: Path, tmp_path: Path
) -> None:
    model = with_inputs(tmp_path, lambda names: [*names[:-1], "shoe_size"])
    failed = Failed(airflow, store, small, model)
    assert (failed.status.state, failed.status.exit_code, failed.status.restarts) == (State.FAILED, 3, 0)
    assert "needs shoe_size, which the pipeline does not make" in failed.sentence("start_scorer")
    assert (failed.tries["start_scorer"], failed.tries["replay"]) == (1, 0)
    assert "shoe_size" in failed.report


def test_a_model_that_breaks_again_and_again_fails_the_run_with_the_drivers_last_error(
    airflow: AirflowApi, store: ObjectStore, small: Path, tmp_path: Path
) -> None:
    # The classifier wants one number more than the assembler then gives it, which shows at the first row.
    failed = Failed(airflow, store, small, with_inputs(tmp_path, lambda names: names[:-1]))
    assert (failed.status.state, failed.status.exit_code, failed.status.restarts) == (State.FAILED, 1, 2)
    said = failed.sentence("await_drained")
    assert failed.status.error
    assert failed.status.error in said
    assert "size" in said
    assert failed.tries["await_drained"] == 1
    assert "Spark gave up" in failed.report


def with_inputs(folder: Path, change: Callable[[list[str]], list[str]]) -> Path:
    """The foreign model with other inputs of its assembler."""
    changed = folder / "model.zip"
    with zipfile.ZipFile(MODEL) as original, zipfile.ZipFile(changed, "w") as copy:
        for item in original.infolist():
            data = original.read(item)
            if "VectorAssembler" in item.filename and item.filename.endswith("metadata/part-00000"):
                metadata = json.loads(data)
                metadata["paramMap"]["inputCols"] = change(metadata["paramMap"]["inputCols"])
                data = json.dumps(metadata).encode()
            copy.writestr(item, data)
    return changed
