"""The model's card as the report shows it."""

from collections.abc import Mapping
from typing import Any

from streamweir.contracts.models import NUMPY, SPARK
from streamweir.models.card import proof_in_words
from streamweir.models.rule import CARD, Rule, in_words
from streamweir.reporting.inputs import Bundle

_METRICS = {
    "pr_auc": ("PR-AUC", "area under precision over recall; 1 is perfect, the share of frauds is chance"),
    "roc_auc": ("ROC-AUC", "0.5 is chance, 1 is perfect"),
    "precision": ("precision", "of the flagged, how many are frauds"),
    "recall": ("recall", "of the frauds, how many are flagged"),
    "alerts_per_thousand": ("alerts per thousand", "how many of a thousand transactions are flagged"),
}
_DETAILS = (
    "version",
    "sha256",
    "source",
    "created_at",
    "algorithm",
    "threshold",
    "own_rule",
    "numpy",
    "features",
    "label",
    "rows",
    "fraud_share",
    "history_fingerprint",
    "libraries",
)
_MOST_IMPORTANT = 12
_SCORING = {
    NUMPY: "Numpy gave the scores, proven to be those of Spark's own transform",
    SPARK: "Spark's own transform gave the scores",
}


def model(bundle: Bundle) -> dict[str, Any] | None:
    """Metrics, confusion matrix and importances of the run's model; None for a run without one."""
    if not bundle.model:
        return None
    card: Mapping[str, Any] = bundle.card or {}
    metrics = card.get("metrics") or {}
    decided_by = bundle.model.get("rule")
    importances = sorted(card.get("feature_importances") or (), key=lambda item: -item["importance"])[
        :_MOST_IMPORTANT
    ]
    return {
        **{name: bundle.model.get(name) for name in ("version", "origin")},
        "algorithm": card.get("algorithm"),
        # A run from before there were rules says nothing of one.
        "rule": Rule(decided_by, bundle.model["threshold"]).sentence if decided_by else None,
        "own_rule": in_words(bundle.model.get("own_rule")),
        "scoring": _SCORING.get(bundle.model.get("scoring", "")),
        "threshold_rule": card.get("threshold_rule") if decided_by == CARD else None,
        "selection_rule": card.get("selection_rule")
        or "the largest PR-AUC on the middle part of the history",
        "metrics": [
            {"name": name, "meaning": meaning, "value": metrics[key]}
            for key, (name, meaning) in _METRICS.items()
            if metrics.get(key) is not None
        ],
        "details": _details(card) or dict(bundle.model),
        "candidates": sorted(card.get("candidates") or (), key=lambda one: -one["pr_auc"]),
        "confusion": metrics.get("confusion_matrix"),
        "importances": [
            {**item, "width": 100 * item["importance"] / (importances[0]["importance"] or 1)}
            for item in importances
        ],
    }


def _details(card: Mapping[str, Any]) -> dict[str, Any]:
    """What a card says, without what it leaves empty; a threshold of 0 is one, and {} is an own rule."""
    words = {"own_rule": in_words(card.get("own_rule")), "numpy": proof_in_words(card.get("numpy"))}
    said = {**card, **words} if card else {}
    return {name: said[name] for name in _DETAILS if said.get(name) not in (None, "", [], {})}
