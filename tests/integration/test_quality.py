"""The quality process on real servers: exit status, docs and results."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from streamweir.broker import topics
from streamweir.broker.records import Record
from streamweir.broker.transactions import TransactionalWriter
from streamweir.connections import KafkaConnection, StoreConnection
from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.models import ModelKeys
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.datasets.dataset import Dataset
from streamweir.datasets.store import upload
from streamweir.models.archive import sha256
from streamweir.objectstore import ObjectStore
from streamweir_quality.inputs import Inputs
from tests.unit.quality.made_up_inputs import (
    VERSION,
    made_up_dataset,
    made_up_inputs,
    made_up_plan,
    made_up_records,
    with_frame,
)

RUN = "manual__1"
MODEL = Path(__file__).parents[1] / "fixtures" / "small_model.zip"
"""What `made_up_inputs` takes its scores from."""
Checked = Callable[[], subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = made_up_dataset(tmp_path_factory.mktemp("quality") / "csv")
    return made_up_inputs(folder, made_up_records(folder, RUN), RUN)


@pytest.fixture
def run(store: ObjectStore, kafka: KafkaConnection, inputs: Inputs) -> Iterator[Run]:
    """A run that was replayed, and of which nothing is left afterwards."""
    found = Run(Stream(PIPELINE.name, f"test-{uuid.uuid4().hex}"), RUN)
    topics.provision(kafka, found.stream, PIPELINE)
    send(kafka, found.stream, made_up_records(inputs.dataset, RUN))
    yield found
    topics.delete(kafka, found.stream)
    said = store.get_json(found.task("ensure_dataset"))
    if said:
        store.delete_folder(Dataset.from_json(said["result"]).root)
    store.delete_folder(found.bundle)
    store.delete_folder(ModelKeys(PIPELINE.name).root / version_of(found))


def send(kafka: KafkaConnection, stream: Stream, records: list[Record]) -> None:
    writer = TransactionalWriter(kafka, f"{stream}.test")
    writer.begin()
    for record in records:
        writer.send(stream.topic(record.topic), record.partition, record.value, record.raw_headers)
    writer.commit()
    writer.close()


def version_of(run: Run) -> str:
    return run.stream.id


def publish(store: ObjectStore, run: Run, inputs: Inputs) -> None:
    """Put a run's bundle into the store as the tasks before the quality checks leave it."""
    version = version_of(run)
    dataset = upload(store, PIPELINE.name, inputs.dataset, "made up")
    assert inputs.card is not None
    card = replace(inputs.card, version=version, sha256=sha256(MODEL))
    store.put(ModelKeys(PIPELINE.name).archive(version), MODEL.read_bytes())
    store.put_json(ModelKeys(PIPELINE.name).card(version), card.to_json())
    store.put_json(run.task("ensure_dataset"), {"result": dataset.to_json()})
    store.put_json(run.task("ensure_model"), {"result": {"version": version}})
    store.put_json(run.ledger, dict(inputs.ledger))
    store.put_json(run.plan, made_up_plan(run.id).to_json())
    store.put_json(run.parameters, dict(inputs.parameters))
    frame = inputs.frame("predictions")
    frame["model_version"] = frame["model_version"].replace(VERSION, version)
    for name, file in with_frame(inputs, "predictions", frame).tables.items():
        store.upload(run.table_file(name), file)


@pytest.fixture
def checked(kafka: KafkaConnection, store_connection: StoreConnection, run: Run, tmp_path: Path) -> Checked:
    """Checks the run, as a process of its own whose home is `tmp_path`."""
    # Every request that is not one to the store would go to a proxy that is not there, and fail.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTPS_PROXY"), "http://127.0.0.1:1")
    arguments = (
        "--pipeline",
        PIPELINE.name,
        "--stream",
        run.stream.id,
        "--run",
        run.id,
        "--rows-again",
        "300",
    )
    servers = {**kafka.to_env(), **store_connection.to_env()}
    return lambda: subprocess.run(
        [sys.executable, "-m", "streamweir_quality", *arguments],
        env={**os.environ, **nowhere, **servers, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_sound_run_ends_with_exit_status_0_and_docs(
    checked: Checked, store: ObjectStore, run: Run, inputs: Inputs, tmp_path: Path
) -> None:
    publish(store, run, inputs)
    done = checked()
    assert (done.returncode, done.stderr) == (0, "")
    assert "none failed" in done.stdout
    results = store.get_json(run.quality / "results.json")
    assert len(results) > 80
    assert all(result["success"] for result in results)
    (again,) = [result for result in results if result["suite"] == "the model again"]
    assert again["observed"] == "0 of 300 unexpected"
    assert again["sentence"].endswith("compared: 300 of 396 rows (75.8 %, a seeded sample)")
    pages = [key.key for key in store.list(run.quality) if key.key.endswith(".html")]
    assert len(pages) > 10
    assert list(tmp_path.iterdir()) == [], "Great Expectations wrote into the home folder"


def test_a_critical_failure_ends_with_exit_status_6_after_publishing(
    checked: Checked, store: ObjectStore, run: Run, inputs: Inputs
) -> None:
    frame = inputs.frame("predictions")
    frame.loc[0, "age"] += 1
    publish(store, run, with_frame(inputs, "predictions", frame))
    done = checked()
    assert done.returncode == 6
    assert done.stderr.startswith(
        "error: 1 critical expectation failed, the first on predictions: predictions holds what a batch"
    )
    assert "Traceback" not in done.stderr
    failed = [result for result in store.get_json(run.quality / "results.json") if not result["success"]]
    assert [result["suite"] for result in failed] == ["predictions again as a batch"]
    assert f"age is {frame.age[0]} in the stream and {frame.age[0] - 1} in the batch" in failed[0]["observed"]
    assert b"must not be trusted" in (store.get(run.quality / "index.html") or b"")


def test_another_score_than_the_models_own_ends_with_exit_status_6(
    checked: Checked, store: ObjectStore, run: Run, inputs: Inputs
) -> None:
    frame = inputs.frame("predictions")
    # The rows that are compared are a sample: all are off by more than sums may be.
    frame["fraud_probability"] -= 1e-9
    publish(store, run, with_frame(inputs, "predictions", frame))
    assert checked().returncode == 6
    failed = [result for result in store.get_json(run.quality / "results.json") if not result["success"]]
    assert [result["suite"] for result in failed] == ["the model again"]
    assert failed[0]["observed"].startswith("300 of 300 unexpected, e.g. session_id ")


def test_a_model_that_is_gone_ends_with_its_own_exit_status(
    checked: Checked, store: ObjectStore, run: Run, inputs: Inputs
) -> None:
    publish(store, run, inputs)
    store.delete(ModelKeys(PIPELINE.name).archive(version_of(run)))
    done = checked()
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith(
        f"error: model version {version_of(run)} has lost its file "
    )


def test_a_run_that_is_not_there_is_a_wrong_parameter(checked: Checked) -> None:
    done = checked()
    assert done.returncode == 2
    assert "ensure_dataset.json is missing" in done.stderr
