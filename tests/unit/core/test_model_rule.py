"""Which rule decides what is fraud: the run's threshold, the card's, or the model's own."""

import math
from typing import Any

import pytest

from streamweir.errors import BadConfiguration, ModelUnusable
from streamweir.models.card import FORMAT, Card, Flavour
from streamweir.models.rule import Rule, deciding, in_words, own_rule


def stage(kind: str, defaults: dict[str, Any] | None = None, **params: Any) -> dict[str, Any]:
    return {"class": f"org.apache.spark.ml.{kind}", "paramMap": params, "defaultParamMap": defaults or {}}


LOGISTIC = {"probabilityCol": "probability", "threshold": 0.5, "family": "auto"}


@pytest.mark.parametrize(
    ("asked", "on_card", "rule"),
    [
        (0.3, 0.4, Rule("param", 0.3)),
        (0, 0.4, Rule("param", 0)),
        (1.0, None, Rule("param", 1.0)),
        (None, 0.4, Rule("card", 0.4)),
        (None, 0.0, Rule("card", 0.0)),
        (None, None, Rule("model", None)),
    ],
)
def test_the_run_decides_before_the_card_and_the_card_before_the_model(
    asked: float | None, on_card: float | None, rule: Rule
) -> None:
    assert deciding(asked, Card(source="trained", threshold=on_card)) == rule


@pytest.mark.parametrize("asked", [-0.01, 1.01, math.nan, math.inf, -math.inf])
def test_a_threshold_that_is_no_probability_is_refused(asked: float) -> None:
    with pytest.raises(
        BadConfiguration, match=f"threshold {asked} is no probability: give a number from 0 to 1"
    ):
        deciding(asked, Card(source="trained"))


@pytest.mark.parametrize(
    ("classifier", "rule", "words"),
    [
        (stage("LR", LOGISTIC), {}, "the class with the largest probability"),
        (
            stage("LR", LOGISTIC, threshold=0.1),
            {"threshold": 0.1},
            "class 1 where its probability is above 0.1",
        ),
        (
            stage("LR", LOGISTIC, thresholds=[0.3, 0.7]),
            {"thresholds": [0.3, 0.7]},
            "the class with the largest probability after division by its threshold (0.3, 0.7)",
        ),
        (
            stage("LR", LOGISTIC, threshold=0.1, family="multinomial"),
            {},
            "the class with the largest probability",
        ),
        (
            stage("RF", {"probabilityCol": "p"}, thresholds=[1, 2]),
            {"thresholds": [1, 2]},
            "the class with the largest probability after division by its threshold (1, 2)",
        ),
        (stage("RF", {"probabilityCol": "p"}), {}, "the class with the largest probability"),
    ],
)
def test_the_models_own_rule_is_read_from_its_classifier(
    classifier: dict[str, Any], rule: dict[str, Any], words: str
) -> None:
    binarizer = stage("feature.Binarizer", {"threshold": 0.25}, inputCol="amount")
    assert own_rule([stage("PipelineModel"), binarizer, classifier]) == rule
    assert in_words(rule) == words


def test_a_card_from_before_cards_had_a_format_keeps_only_a_threshold_that_was_chosen() -> None:
    old = {"source": "trained", "version": "v1", "threshold": 0.4}
    assert Card.from_json(old).threshold == 0.4
    foreign = Card.from_json({"source": "external", "version": "external-1", "threshold": 0.5})
    assert (foreign.threshold, foreign.own_rule) == (None, None)
    assert in_words(foreign.own_rule).startswith("not known")


def test_a_card_from_before_there_were_flavours_is_a_pipeline_models() -> None:
    for written in ({}, {"format": 2}):
        old = {"source": "trained", "version": "v1", "metrics": {"pr_auc": 0.4}, **written}
        assert (Card.from_json(old).flavour, Card.from_json(old).format) == (Flavour.SPARK, FORMAT)


def test_a_card_of_today_comes_back_as_it_was() -> None:
    card = Card(source="external", threshold=0.5, own_rule={"threshold": 0.1})
    assert card.to_json()["format"] == FORMAT == 4
    assert Card.from_json(card.to_json()) == card


def test_a_card_of_a_format_to_come_is_refused_by_its_version() -> None:
    newer = {"source": "trained", "version": "v9", "format": 5, "decision": "new"}
    with pytest.raises(ModelUnusable, match="the card of model v9 has format 5, but only formats up to 4"):
        Card.from_json(newer)
