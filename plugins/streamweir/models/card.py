"""A model version's card: what it is, what it was trained on, and how well it did."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from streamweir.contracts.formats import stored_format
from streamweir.errors import ModelUnusable

FORMAT = 4
"""Of the cards that are written; format 1 had no such entry, formats 1 and 2 no flavour, 1 to 3 no
proof: their models count as not proven."""
TRAINED = "trained"
EXTERNAL = "external"


class Flavour(StrEnum):
    """What a version's file is: the zip of a Spark PipelineModel with two classes, or an ONNX model."""

    SPARK = "spark"
    ONNX = "onnx"


@dataclass(frozen=True)
class Card:
    """The card of a version, as it lies beside the model.

    source: "trained" or "external". flavour: what loads it. pipeline, version (its id), sha256 (of its file),
    created_at (UTC, ISO 8601): filled in by the registry. features: the input columns in order. label: the
    label's column.
    threshold: chosen at the training: a row is called fraud when its probability is at least this; None when
    nobody chose one. own_rule: how the model's own `prediction` is decided, as `rule.own_rule` reads it; None
    on cards of format 1.
    threshold_rule: how the threshold was chosen; selection_rule: how the algorithm was.
    metrics: on the held-out rows, which neither trained nor chose anything; empty for an external model, and
    None where it takes a fraud to measure and none is held out.
    fraud_share: {"labelled", "predicted", "low", "high"}: shares (0 to 1) in the history; `low` and `high`
    bound the share of rows called fraud that training saw. category_shares: column -> category ->
    {"share", "low", "high"}. libraries: name -> version. algorithm, candidates, feature_importances, rows:
    how it was selected, what it leans on, and how many rows each part of the split had.
    numpy: whether numpy gives the model's scores as Spark does, {"proven", "why" not, "rows" that were
    compared, "largest_difference" of two probabilities}, and what it takes to score with it; None: nobody has
    looked.
    history_fingerprint: of the files that it was trained on; empty for an external model.
    """

    source: str
    flavour: Flavour = Flavour.SPARK
    pipeline: str = ""
    version: str = ""
    sha256: str = ""
    created_at: str = ""
    features: tuple[str, ...] = ()
    label: str = ""
    threshold: float | None = None
    own_rule: Mapping[str, Any] | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    fraud_share: Mapping[str, float] = field(default_factory=dict)
    category_shares: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    history_fingerprint: str = ""
    libraries: Mapping[str, str] = field(default_factory=dict)
    algorithm: str = ""
    candidates: tuple[Mapping[str, Any], ...] = ()
    feature_importances: tuple[Mapping[str, Any], ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)
    threshold_rule: str = ""
    selection_rule: str = ""
    numpy: Mapping[str, Any] | None = None
    format: int = FORMAT

    @property
    def proven(self) -> bool:
        """Whether numpy may give the model's scores."""
        return bool(self.numpy and self.numpy["proven"])

    def taught_by(self, history_fingerprint: str | None) -> int:
        """How many rows of a history with this fingerprint, the first in order of time, the model was made
        from: the parts that trained it and chose among the candidates; 0 of another history."""
        same = history_fingerprint and history_fingerprint == self.history_fingerprint
        return self.rows["train"] + self.rows["select"] if self.source == TRAINED and same else 0

    def to_json(self) -> dict[str, Any]:
        """The card as JSON holds it."""
        return asdict(self)

    def selection(self) -> dict[str, Any]:
        """How algorithm and threshold were chosen, as model_selection_summary.json holds it."""
        names = ("pr_auc", "roc_auc", "best_threshold", "precision", "recall")
        return {
            "selected_model": self.algorithm,
            "recommended_threshold": self.threshold,
            "selection_rule": self.selection_rule,
            "threshold_rule": self.threshold_rule,
            "candidates": {
                one["algorithm"]: {name: one[name] for name in names if name in one}
                for one in self.candidates
            },
            "rows": dict(self.rows),
            "held_out": dict(self.metrics),
            "model_version": self.version,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Card":
        """The card from JSON; raises ModelUnusable for a format that is not known.

        Raises TypeError when a key is missing or unknown.
        """
        what = f"the card of model {value.get('version')}"
        written = stored_format(value, FORMAT, what, "register the model again", ModelUnusable)
        lists = ("features", "candidates", "feature_importances")
        parts: dict[str, Any] = {name: tuple(part) if name in lists else part for name, part in value.items()}
        if written == 1 and parts["source"] == EXTERNAL:
            # Format 1 gave every model from elsewhere a threshold of 0.5, which nobody had chosen.
            parts["threshold"] = None
        flavour = Flavour(parts.get("flavour", Flavour.SPARK))
        return cls(**parts | {"flavour": flavour, "format": FORMAT})


def proof_in_words(proof: Mapping[str, Any] | None) -> str:
    """What a card's `numpy` says, for people."""
    if proof is None:
        return "not proven: nobody has compared numpy's scores with Spark's"
    if not proof["proven"]:
        return f"not proven: {proof['why']}"
    apart = proof["largest_difference"]
    return f"proven on {proof['rows']} rows: no probability is more than {apart:.1e} from Spark's"
