"""The drills that harm nobody else, on the tests' stack and without Airflow: the same results after each."""

import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from infra import environment
from infra.plan import installed_tools
from infra.stack import Stack
from streamweir.contracts.ecommerce_fraud import LOOKBACK_S, PIPELINE, SESSION_TIME_ZONE
from streamweir.contracts.messages import RETENTION_S
from streamweir.datagen import generator
from streamweir.datasets.store import upload
from streamweir.models.registry import Registry
from streamweir.progress import no_progress
from streamweir.scorer.spec import ScorerSpec
from tests.drills.airflow import Airflow
from tests.drills.compare import Outcome, outcome
from tests.drills.drills import drill
from tests.drills.ground import START_TS, Ground, Model
from tests.drills.subjects import Subject
from tests.drills.trials import PlainTrial

MODEL = Path(__file__).parents[1] / "fixtures" / "spark35_model.zip"
BATCHES = 90
MESSAGES = 20
"""That a micro-batch takes at most: also behind a replay that has ended there is still one to strike."""
SUBJECT = Subject(PIPELINE, params={"speed": 10, "late": "10:65"})


@pytest.fixture(scope="module")
def ground(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("dataset")
    generator(PIPELINE.name)(folder, seed=3, batches=BATCHES, history_batches=20, progress=no_progress)
    user, password = stack.secrets.airflow_admin_user, stack.secrets.airflow_admin_password
    with (
        pytest.MonkeyPatch.context() as patch,
        closing(Airflow(stack.settings.airflow_url, user, password)) as airflow,
    ):
        # What a drill starts must be found among the stack's processes.
        for name, value in environment.common(stack.settings, stack.layout, installed_tools()).items():
            patch.setenv(name, value)
        yield Ground(stack, SUBJECT, airflow, folder)


@pytest.fixture(scope="module")
def model(ground: Ground) -> Model:
    """An undisturbed run."""
    dataset = upload(ground.store, PIPELINE.name, ground.folder, "drills").fingerprint
    version = Registry(ground.store, PIPELINE.name).register_external(MODEL).version
    trial = PlainTrial(ground, unique("undisturbed"))
    options = {"lookback_s": LOOKBACK_S, "retention_s": RETENTION_S}
    counting = (SESSION_TIME_ZONE, PIPELINE.lateness_s, MESSAGES, options)
    spec = ScorerSpec(trial.run.stream, trial.run.id, dataset, version, *counting)
    params = {**SUBJECT.params, "start_ts": START_TS, "dataset": dataset}
    plan = Model(Outcome({}, 0), 0, BATCHES + 1, params, spec)
    trial.begin(plan)
    trial.finish()
    found = outcome(trial.run, SUBJECT, ground.kafka, ground.store)
    assert (found.unexplained, found.empty()) == (0, [])
    assert found.count > 1000
    return replace(plan, outcome=found)


@pytest.mark.parametrize(
    ("fault", "seen"),
    [("driver-at-work", "1 restarts of the driver"), ("replay", ""), ("second-scorer", "")],
    ids=["driver-at-work", "replay", "second-scorer"],
)
def test_a_run_comes_out_the_same_after(fault: str, seen: str, ground: Ground, model: Model) -> None:
    done = drill(ground, model, fault, unique(fault), print, PlainTrial)
    assert done.passed, done.said
    assert seen in done.seen
    assert done.rows == model.outcome.count


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"
