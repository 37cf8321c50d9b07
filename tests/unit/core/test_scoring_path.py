"""What gives a stream's scores: numpy where the model's card has a proof and nothing speaks against it."""

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from streamweir.contracts.ecommerce_fraud import MODEL_COLUMNS, PIPELINE
from streamweir.contracts.models import ModelKeys
from streamweir.contracts.streams import Stream
from streamweir.models.archive import unpack
from streamweir.models.registry import Registry
from streamweir.scorer.spec import ScorerSpec
from streamweir_spark.needs import ModelNeeds
from streamweir_spark.numpy_ml.stages import stages_of
from streamweir_spark.numpy_model import NumpyModel
from streamweir_spark.scorer import Scorer
from tests.fixtures.make_small_model import INTERCEPT, SLOPE
from tests.support.file_store import FileStore

FIXTURE = Path(__file__).parents[2] / "fixtures" / "small_model.zip"
LONGITUDE = "shipment_location_long"
NEEDS = ModelNeeds({"gender": frozenset("FM")}, frozenset([LONGITUDE]), {"age": (0.0, math.inf)})
ASKED = {"threshold": None, "fraud_label": None, "scoring": None}


@pytest.fixture
def store() -> FileStore:
    return FileStore()


@pytest.fixture
def version(store: FileStore, tmp_path: Path) -> str:
    """A registered model whose scores a line of Python can tell."""
    registry = Registry(store, PIPELINE.name)  # type: ignore[arg-type]
    version = registry.register_external(FIXTURE).version
    stages = [stage.uid for stage in stages_of(unpack(FIXTURE, tmp_path / "unpacked"))]
    proof = {"proven": True, "why": "", "rows": 9, "largest_difference": 0.0, "stages": stages}
    registry.put_proof(version, proof | {"inputs": [LONGITUDE], "fraud_index": 1, "needs": NEEDS.to_json()})
    return version


@pytest.fixture
def scorer(store: FileStore, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scorer:
    monkeypatch.setattr("streamweir_spark.model.load", lambda *arguments: "by Spark")
    spark = SimpleNamespace(sparkContext=SimpleNamespace(master="local[2]"))
    spec = ScorerSpec(Stream(PIPELINE.name, "s"), "a", "d", version, "UTC", 60, 10, ASKED)
    others: Any = None
    return Scorer(spec, PIPELINE, spark, others, store, others, others, tmp_path)  # type: ignore[arg-type]


def test_a_proven_model_is_scored_by_numpy_with_the_needs_of_its_proof(scorer: Scorer) -> None:
    model = scorer.model(MODEL_COLUMNS)
    assert isinstance(model, NumpyModel)
    assert (scorer.scoring, model.needs) == ("numpy", NEEDS)
    longitudes = [106.0, 108.0, 110.5]
    found = model.predict(pa.table({LONGITUDE: longitudes, "transaction_id": ["a", "b", "c"]}))
    expected = [1 / (1 + math.exp(-(SLOPE * longitude + INTERCEPT))) for longitude in longitudes]
    assert found["fraud_probability"].to_pylist() == pytest.approx(expected, abs=1e-12)
    assert found["prediction"].to_pylist() == [int(one > 0.5) for one in expected] == [0, 0, 1]
    assert found["transaction_id"].to_pylist() == ["a", "b", "c"]
    assert set(found["model_version"].to_pylist()) == {model.version}


@pytest.mark.parametrize("asked", [{"scoring": "spark"}, {"fraud_label": "1"}])
def test_a_run_that_asks_for_it_goes_through_spark(scorer: Scorer, asked: dict[str, str]) -> None:
    scorer.spec = replace(scorer.spec, options=ASKED | asked)
    assert (scorer.model(MODEL_COLUMNS), scorer.scoring) == ("by Spark", "spark")


@pytest.mark.parametrize("proof", [None, {"proven": False, "why": "stage x is a DCT"}])
def test_a_model_that_is_not_proven_goes_through_spark(
    scorer: Scorer, store: FileStore, version: str, proof: dict[str, Any] | None
) -> None:
    card = Registry(store, PIPELINE.name).card(version)  # type: ignore[arg-type]
    store.put_json(ModelKeys(PIPELINE.name).card(version), replace(card, numpy=proof).to_json())
    assert (scorer.model(MODEL_COLUMNS), scorer.scoring) == ("by Spark", "spark")


def test_needs_come_back_from_a_card_as_they_were() -> None:
    assert ModelNeeds.from_json(NEEDS.to_json()) == NEEDS
    assert NEEDS.to_json()["ranges"] == {"age": [0.0, None]}
