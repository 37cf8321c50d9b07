"""The rule that decides which scored rows are called fraud, and the rule that a model has of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamweir.errors import BadConfiguration
from streamweir.models import saved
from streamweir.models.card import Card

PARAM = "param"
CARD = "card"
MODEL = "model"
_LARGER = 0.5
"""The threshold that a logistic regression has when nobody set one: the larger of two probabilities."""


@dataclass(frozen=True)
class Rule:
    """Whose rule decides, "param", "card" or "model", and its threshold.

    threshold: a row is fraud when its probability of fraud is at least this; None when the model's own
    `prediction` decides.
    """

    decided_by: str
    threshold: float | None

    @property
    def sentence(self) -> str:
        """The rule, for people."""
        if self.threshold is None:
            return "A transaction is called fraud where the model's own prediction says so"
        whose = "as the run asks" if self.decided_by == PARAM else "as the model's card says"
        return f"A transaction is called fraud from a probability of {self.threshold:.6g} on, {whose}"


def deciding(asked: float | None, card: Card) -> Rule:
    """The run's threshold if one is asked for, else the card's if it has one, else the model's own rule.

    Raises BadConfiguration for a threshold that is not within 0 and 1.
    """
    if asked is not None:
        return Rule(PARAM, checked(asked))
    return Rule(MODEL if card.threshold is None else CARD, card.threshold)


def checked(threshold: float | None) -> float | None:
    """The threshold that a run asks for, if any; raises BadConfiguration when it is not within 0 and 1."""
    if threshold is None or 0 <= threshold <= 1:
        return threshold
    raise BadConfiguration(
        f"threshold {threshold} is no probability: give a number from 0 to 1, or leave it empty"
    )


def own_rule(stages: Sequence[saved.Metadata]) -> dict[str, Any]:
    """How a model's own `prediction` is decided, by the saved metadata of its stages.

    {"thresholds": [...]}: the class whose probability, divided by its threshold, is largest.
    {"threshold": t}: class 1 above this probability. {}: the class with the largest probability.
    """
    params = saved.classifier(stages)
    if params.get("thresholds"):
        # Also a logistic regression's: it has either these or a threshold that somebody set.
        return {"thresholds": list(params["thresholds"])}
    threshold = params.get("threshold", _LARGER)
    # A multinomial logistic regression has a threshold like any other, but does not look at it.
    if threshold == _LARGER or params.get("family") == "multinomial":
        return {}
    return {"threshold": threshold}


def in_words(rule: Mapping[str, Any] | None) -> str:
    """What `own_rule` found, for people; None where a card is too old to hold it."""
    if rule is None:
        return "not known, because its card was made before cards held it"
    if "threshold" in rule:
        return f"class 1 where its probability is above {rule['threshold']}"
    if "thresholds" in rule:
        listed = ", ".join(map(str, rule["thresholds"]))
        return f"the class with the largest probability after division by its threshold ({listed})"
    return "the class with the largest probability"
