"""The gate at work: the new version against the champion, on the same held-out rows."""

import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pyspark.sql import SparkSession

from streamweir.contracts.tables import Column
from streamweir.errors import ModelUnusable
from streamweir.models.card import Card
from streamweir.models.metrics import pr_auc
from streamweir.models.registry import Champion, Decision, Registry, passes
from streamweir_spark.model import load
from streamweir_spark.training.candidates import fraud_probabilities
from streamweir_spark.training.examples import Examples

Judge = Callable[[str], float]
"""A version's PR-AUC on the held-out rows; raises ModelUnusable when it cannot score them."""


def judge_on(spark: SparkSession, registry: Registry, held_out: Examples, columns: Sequence[Column]) -> Judge:
    """A judge that loads a version and scores the held-out rows with it."""

    def judge(version: str) -> float:
        with tempfile.TemporaryDirectory(prefix="streamweir-champion-") as folder:
            location = registry.fetch(version, Path(folder))
            model = load(spark, location.as_uri(), registry.card(version), columns)
            return pr_auc(held_out.labels, fraud_probabilities(spark, model, held_out))

    return judge


def promote_if_not_worse(registry: Registry, card: Card, held_out_rows: int, judge: Judge) -> Decision:
    """Let the gate decide about a new version, and act on it. The decision is recorded in any case."""
    while True:
        champion = registry.champion()
        decision = _decide(card, champion, held_out_rows, judge)
        if not decision.promoted:
            registry.record(decision)
            return decision
        # Somebody else may have promoted meanwhile: then there is another champion to be compared with.
        if registry.promote(decision, champion):
            return decision


def _decide(card: Card, champion: Champion | None, held_out_rows: int, judge: Judge) -> Decision:
    own = float(card.metrics["pr_auc"] or 0)
    other, reason = None, "there was no champion"
    if champion is not None:
        try:
            other = judge(champion.version)
            verb = "is not worse" if passes(own, other) else "is worse"
            reason = f"PR-AUC {own:.4f} {verb} than the champion's {other:.4f}"
            if card.metrics["pr_auc"] is None:
                reason = "no fraud is among the held-out rows, so that no version can be worse than another"
        except ModelUnusable as error:
            reason = f"the champion cannot score these rows: {error}"
    return Decision(
        version=card.version,
        promoted=passes(own, other),
        reason=reason,
        decided_at=datetime.now(UTC).isoformat("T", "seconds"),
        pr_auc=own,
        champion=champion.version if champion else None,
        champion_pr_auc=other,
        held_out_rows=held_out_rows,
    )
