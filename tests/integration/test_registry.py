"""The registry and a whole training on a real object store."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streamweir.connections import SparkConnection, StoreConnection
from streamweir.contracts.models import ModelKeys
from streamweir.contracts.streams import ObjectKey
from streamweir.datagen import generator
from streamweir.datasets import store as datasets
from streamweir.errors import BadConfiguration, ModelUnusable
from streamweir.models.card import Card
from streamweir.models.registry import Decision, Registry
from streamweir.objectstore import ObjectStore
from streamweir.progress import no_progress

ROOT = Path(__file__).parents[2]
FIXTURE = ROOT / "tests" / "fixtures" / "spark35_model.zip"
DRAFT = Card(source="trained", metrics={"pr_auc": 0.5}, history_fingerprint="h")


@pytest.fixture
def registry(store: ObjectStore) -> Iterator[Registry]:
    """A registry that nobody else uses."""
    pipeline = f"test-{uuid.uuid4().hex[:8]}"
    yield Registry(store, pipeline)
    store.delete_folder(ModelKeys(pipeline).root)


def promotion(version: str) -> Decision:
    return Decision(version=version, promoted=True, reason="because", decided_at=version)


def test_a_version_survives_the_store(registry: Registry, tmp_path: Path) -> None:
    card = registry.register_external(FIXTURE)
    assert registry.versions() == [card.version]
    assert registry.register_external(FIXTURE) == registry.card(card.version) == card
    folder = registry.fetch(card.version, tmp_path)
    assert (folder / "metadata").is_dir()
    assert (folder / "stages").is_dir()


def test_the_scorers_account_reads_models_and_cannot_change_them(
    registry: Registry, scorer_store_connection: StoreConnection, tmp_path: Path
) -> None:
    card = registry.register_external(FIXTURE)
    scorer = Registry(ObjectStore(scorer_store_connection), registry.pipeline)
    assert scorer.fetch(card.version, tmp_path).is_dir()
    with pytest.raises(BadConfiguration, match="refused"):
        scorer.record(promotion(card.version))


def test_a_tampered_archive_is_refused_by_its_checksum(
    registry: Registry, store: ObjectStore, tmp_path: Path
) -> None:
    card = registry.register_external(FIXTURE)
    key = ModelKeys(registry.pipeline).archive(card.version)
    store.put(key, (store.get(key) or b"") + b"x")
    with pytest.raises(ModelUnusable, match="was tampered with"):
        registry.fetch(card.version, tmp_path)


def test_of_many_promotions_at_once_exactly_one_wins(registry: Registry, tmp_path: Path) -> None:
    versions = []
    for number in range(8):
        (tmp_path / "model.zip").write_bytes(b"%d" % number)
        versions.append(registry.publish(tmp_path / "model.zip", DRAFT).version)
    assert registry.promote(promotion(versions[0]), None)
    seen = registry.champion()
    with ThreadPoolExecutor(7) as pool:
        won = list(pool.map(lambda version: registry.promote(promotion(version), seen), versions[1:]))
    winners = [champion for champion in won if champion]
    assert len(winners) == 1
    assert registry.champion() == winners[0]


def python(store_connection: StoreConnection, *argv: str) -> subprocess.CompletedProcess[str]:
    spark = SparkConnection("local[2]")
    paths = os.pathsep.join(str(ROOT / part) for part in ("plugins", "spark_apps"))
    env = os.environ | store_connection.to_env() | spark.to_env() | {"PYTHONPATH": paths, "COLUMNS": "200"}
    return subprocess.run([sys.executable, *argv], env=env, capture_output=True, text=True, check=False)


def test_the_command_line_lists_shows_registers_and_promotes(
    registry: Registry, store_connection: StoreConnection
) -> None:
    def models(*argv: str) -> str:
        done = python(store_connection, "-m", "streamweir", "model", *argv, "--pipeline", registry.pipeline)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    version = models("register", str(FIXTURE))
    assert not json.loads(models("list", "--json"))[0]["champion"]
    assert models("promote", version) == f"{version} is the champion"
    assert json.loads(models("list", "--json"))[0]["champion"]
    assert version in models("list")
    shown = json.loads(models("show", version, "--json"))
    assert shown["card"]["version"] == version
    assert shown["decision"]["reason"] == "promoted by hand"
    done = python(
        store_connection, "-m", "streamweir", "model", "show", "nope", "--pipeline", registry.pipeline
    )
    assert done.returncode == ModelUnusable.exit_code
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_training_publishes_a_version_and_writes_its_result(
    store: ObjectStore, store_connection: StoreConnection, tmp_path: Path
) -> None:
    generator("ecommerce_fraud")(tmp_path, seed=11, batches=1, history_batches=120, progress=no_progress)
    dataset = datasets.upload(store, "ecommerce_fraud", tmp_path, "test")
    result = ObjectKey("runs", f"ecommerce_fraud/test-{uuid.uuid4().hex[:8]}/training.json")
    door = str(ROOT / "spark_apps" / "ecommerce_fraud_train.py")
    done = python(store_connection, door, "--dataset", dataset.fingerprint, "--result", str(result))
    assert done.returncode == 0, done.stderr
    said = store.get_json(result)
    registry = Registry(store, "ecommerce_fraud")
    card = registry.card(said["version"])
    assert card.history_fingerprint == dataset.history_fingerprint
    assert said["sha256"] == card.sha256
    assert said["pr_auc"] == card.metrics["pr_auc"] > card.fraud_share["labelled"]
    # Nobody asked for a promotion: whoever is the champion stays it.
    assert said["promoted"] is False
    assert said["champion"] != card.version
    assert registry.decision(card.version) is None
    assert (registry.fetch(card.version, tmp_path / "models") / "stages").is_dir()


def test_a_training_without_its_dataset_ends_with_a_sentence(store_connection: StoreConnection) -> None:
    door = str(ROOT / "spark_apps" / "ecommerce_fraud_train.py")
    done = python(store_connection, door, "--dataset", "0" * 64, "--result", "runs/x/y")
    assert done.returncode == BadConfiguration.exit_code
    assert done.stderr.strip().splitlines()[-1].startswith("error: no dataset 0000")
