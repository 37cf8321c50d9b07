"""The registry: versions that never change, a champion that changes by compare-and-set."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streamweir.contracts.models import ModelKeys
from streamweir.errors import BadConfiguration, ModelUnusable
from streamweir.models import archive, saved
from streamweir.models.card import Card, Flavour, proof_in_words
from streamweir.models.registry import Decision, Registry, passes
from tests.support.file_store import FileStore

FIXTURE = Path(__file__).parents[2] / "fixtures" / "spark35_model.zip"
DRAFT = Card(
    source="trained",
    features=("age", "gender"),
    threshold=0.25,
    metrics={"pr_auc": 0.5},
    candidates=({"algorithm": "a", "pr_auc": 0.5},),
    history_fingerprint="h1",
)
KEYS = ModelKeys("ecommerce_fraud")


@pytest.fixture
def store() -> FileStore:
    return FileStore()


@pytest.fixture
def registry(store: FileStore) -> Registry:
    return Registry(store, "ecommerce_fraud")  # type: ignore[arg-type]


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    with archive.opened(FIXTURE) as model:
        archive.pack(model, tmp_path / "model.zip")
    return tmp_path / "model.zip"


def promotion(version: str, **values: object) -> Decision:
    return Decision(version=version, promoted=True, reason="because", decided_at="2024-01-01", **values)  # type: ignore[arg-type]


def test_a_published_version_comes_back_as_it_was(registry: Registry, packed: Path, tmp_path: Path) -> None:
    card = registry.publish(packed, DRAFT)
    assert registry.card(card.version) == card
    assert replace(card, pipeline="", version="", sha256="", created_at="") == DRAFT
    assert (card.pipeline, card.sha256) == ("ecommerce_fraud", archive.sha256(packed))
    assert registry.versions() == [card.version]
    folder = registry.fetch(card.version, tmp_path / "models")
    assert saved.stages(folder)[0]["class"].endswith("PipelineModel")
    assert registry.fetch(card.version, tmp_path / "models") == folder


def test_an_onnx_model_is_a_version_of_its_flavour(
    registry: Registry, store: FileStore, tmp_path: Path
) -> None:
    (tmp_path / "m.onnx").write_bytes(b"a graph")
    metrics = {"pr_auc": 0.7, "recall_by_kind": {"click_flood": 0.9}}
    card = registry.publish(tmp_path / "m.onnx", replace(DRAFT, flavour=Flavour.ONNX, metrics=metrics))
    assert (registry.card(card.version).flavour, registry.card(card.version).metrics) == ("onnx", metrics)
    assert registry.fetch(card.version, tmp_path / "models").read_bytes() == b"a graph"
    store.put(KEYS.onnx(card.version), b"another graph")
    with pytest.raises(ModelUnusable, match=f"{card.version} was tampered with"):
        registry.fetch(card.version, tmp_path / "models")


PROOF = {"proven": True, "why": "", "rows": 9, "largest_difference": 1e-16, "fraud_index": 1}


def test_a_card_is_given_its_proof_once(registry: Registry, packed: Path) -> None:
    version = registry.publish(packed, DRAFT).version
    assert (registry.card(version).numpy, registry.card(version).proven) == (None, False)
    proven = registry.put_proof(version, PROOF)
    assert proven == registry.card(version) == replace(proven, numpy=PROOF)
    assert proven.proven
    again = registry.put_proof(version, {"proven": False, "why": "somebody else looked"})
    assert again == registry.card(version) == proven


@pytest.mark.parametrize(
    ("proof", "words"),
    [
        (None, "not proven: nobody has compared numpy's scores with Spark's"),
        ({"proven": False, "why": "stage x is a DCT"}, "not proven: stage x is a DCT"),
        (PROOF, "proven on 9 rows: no probability is more than 1.0e-16 from Spark's"),
    ],
)
def test_what_a_proof_says_in_words(proof: dict[str, Any] | None, words: str) -> None:
    assert proof_in_words(proof) == words


def test_a_card_from_before_there_were_proofs_is_not_proven(
    registry: Registry, store: FileStore, packed: Path
) -> None:
    card = registry.publish(packed, DRAFT)
    older = card.to_json()
    del older["numpy"]
    store.put_json(KEYS.card(card.version), older | {"format": 3})
    assert registry.card(card.version) == replace(card, numpy=None)


def test_an_unknown_version_is_named_beside_those_that_exist(registry: Registry, packed: Path) -> None:
    known = registry.publish(packed, DRAFT).version
    with pytest.raises(ModelUnusable, match=f"no model version 'nope'; the newest are: {known}"):
        registry.card("nope")


@pytest.mark.parametrize("version", ["", "../x", "a/b", "a.b", "x" * 65, "a\n"])
def test_a_version_cannot_lead_elsewhere(registry: Registry, version: str) -> None:
    with pytest.raises(BadConfiguration, match="is not a model version"):
        registry.card(version)


def test_a_version_without_its_card_does_not_exist(
    registry: Registry, store: FileStore, packed: Path
) -> None:
    card = registry.publish(packed, DRAFT)
    store.delete(KEYS.card(card.version))
    assert registry.versions() == []
    with pytest.raises(ModelUnusable, match="no model version"):
        registry.fetch(card.version, packed.parent)


def test_a_tampered_archive_is_refused_by_its_checksum(
    registry: Registry, store: FileStore, packed: Path, tmp_path: Path
) -> None:
    card = registry.publish(packed, DRAFT)
    with zipfile.ZipFile(packed, "a") as target:
        target.writestr("stages/9_more/metadata/part-00000", b"{}")
    store.put(KEYS.archive(card.version), packed.read_bytes())
    with pytest.raises(ModelUnusable, match=f"{card.version} was tampered with"):
        registry.fetch(card.version, tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


def test_a_lost_archive_is_named(registry: Registry, store: FileStore, packed: Path, tmp_path: Path) -> None:
    card = registry.publish(packed, DRAFT)
    store.delete(KEYS.archive(card.version))
    with pytest.raises(ModelUnusable, match="has lost its file"):
        registry.fetch(card.version, tmp_path)


def test_an_archive_that_would_leave_its_folder_is_refused(registry: Registry, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as target:
        target.writestr("metadata/part-00000", b"{}")
        target.writestr("../../outside", b"x")
    card = registry.publish(tmp_path / "bad.zip", DRAFT)
    with pytest.raises(ModelUnusable, match="outside its folder"):
        registry.fetch(card.version, tmp_path / "models" / "deep")
    assert not list(tmp_path.rglob("outside"))


def test_a_foreign_model_says_what_its_metadata_say(registry: Registry) -> None:
    card = registry.register_external(FIXTURE)
    assert card.source == "external"
    assert card.features == ("payment_method", "gender", "L1_ratio", "num_purchase", "age")
    assert (card.algorithm, card.label, card.threshold) == ("LogisticRegressionModel", "label", None)
    assert card.libraries == {"spark": "3.5.6"}
    assert not card.metrics
    assert card.own_rule == {}


def test_a_model_is_found_by_its_path_or_by_its_version(registry: Registry) -> None:
    registered = registry.find(str(FIXTURE))
    assert registered.source == "external"
    assert registry.find(registered.version) == registered


@pytest.mark.parametrize("asked", ["/no/such/model", "models/fraud", "fraud_model", "model.zip", "~/model"])
def test_a_path_where_nothing_is_is_not_taken_for_a_version(registry: Registry, asked: str) -> None:
    with pytest.raises(ModelUnusable, match=f"the path {asked} does not exist: give a folder or zip"):
        registry.find(asked)


def test_a_refused_file_is_named(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "mine.zip").write_bytes(b"no zip")
    with pytest.raises(ModelUnusable, match=f"^{tmp_path}/mine.zip: it cannot be unzipped"):
        registry.find(str(tmp_path / "mine.zip"))


def test_a_foreign_model_is_one_version_however_often_and_in_whatever_shape_it_comes(
    registry: Registry, tmp_path: Path
) -> None:
    archive.unpack(FIXTURE, tmp_path)
    versions = {registry.register_external(path).version for path in (FIXTURE, FIXTURE, tmp_path)}
    assert len(versions) == len(registry.versions()) == 1
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as flat:
        for path in (tmp_path / "fraud_model").rglob("*"):
            flat.write(path, path.relative_to(tmp_path / "fraud_model"))
    assert registry.register_external(tmp_path / "packed.zip").version in versions


def test_the_first_promotion_creates_the_pointer(registry: Registry, store: FileStore, packed: Path) -> None:
    assert registry.champion() is None
    version = registry.publish(packed, DRAFT).version
    promoted = registry.promote(promotion(version, pr_auc=0.5), None)
    assert promoted == registry.champion()
    assert promoted is not None
    assert promoted.version == version
    pointer = json.loads(store.objects["models/ecommerce_fraud/champion.json"])
    assert (pointer["version"], pointer["pr_auc"]) == (version, 0.5)
    assert registry.decision(version) == pointer


def test_of_two_promotions_at_once_one_wins_and_the_other_learns_of_it(
    registry: Registry, packed: Path
) -> None:
    first = registry.publish(packed, DRAFT).version
    external = registry.register_external(FIXTURE).version
    assert registry.promote(promotion(first), None)
    seen = registry.champion()
    assert registry.promote(promotion(external), seen)
    assert registry.promote(promotion(first, pr_auc=0.1), seen) is None
    assert registry.promote(promotion(first), None) is None
    champion = registry.champion()
    assert champion is not None
    assert champion.version == external
    assert registry.decision(first) == promotion(first).to_json()


def test_what_the_gate_refused_or_nobody_published_is_not_promoted(registry: Registry, packed: Path) -> None:
    version = registry.publish(packed, DRAFT).version
    with pytest.raises(BadConfiguration, match="the gate did not pass"):
        registry.promote(replace(promotion(version), promoted=False), None)
    with pytest.raises(ModelUnusable, match="no model version"):
        registry.promote(promotion("nope"), None)
    assert registry.champion() is None


def test_the_champion_serves_only_the_history_it_was_trained_on(registry: Registry, packed: Path) -> None:
    assert registry.champion_for("h1") is None
    card = registry.publish(packed, DRAFT)
    assert registry.champion_for("h1") is None
    registry.promote(promotion(card.version), None)
    assert registry.champion_for("h1") == card
    assert registry.champion_for("h2") is None


def test_a_foreign_champion_was_trained_on_no_history(registry: Registry) -> None:
    registry.promote(promotion(registry.register_external(FIXTURE).version), None)
    assert registry.champion_for("") is None


@pytest.mark.parametrize(
    ("own", "champion", "outcome"), [(0.5, None, True), (0.5, 0.5, True), (0.49, 0.5, False)]
)
def test_the_gate_passes_what_is_not_worse(own: float, champion: float | None, outcome: bool) -> None:
    assert passes(own, champion) is outcome


def test_metadata_that_go_in_circles_end(registry: Registry, tmp_path: Path) -> None:
    def write(folder: str, kind: str, **params: object) -> None:
        (tmp_path / folder / "metadata").mkdir(parents=True)
        text = json.dumps({"class": f"org.apache.spark.ml.{kind}", "uid": kind, "paramMap": params})
        (tmp_path / folder / "metadata" / "part-00000").write_text(text)

    write("m", "PipelineModel")
    write("m/stages/0_a", "feature.A", inputCol="x", outputCol="y")
    write("m/stages/1_b", "feature.B", inputCol="y", outputCol="x")
    write("m/stages/2_c", "classification.C", featuresCol="x", probabilityCol="p")
    assert registry.register_external(tmp_path / "m").features == ("x",)
