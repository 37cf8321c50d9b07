"""The rule that decides which scored rows are called fraud."""

from dataclasses import dataclass

from streamweir.errors import BadConfiguration
from streamweir.models.card import Card

PARAM = "param"
CARD = "card"
MODEL = "model"


@dataclass(frozen=True)
class Rule:
    """Whose rule decides, "param", "card" or "model", and its threshold.

    threshold: a row is fraud when its probability of fraud is at least this; None when the model's own
    `prediction` decides.
    """

    decided_by: str
    threshold: float | None


def deciding(asked: float | None, card: Card) -> Rule:
    """The run's threshold if one is asked for, else the card's if it has one, else the model's own rule.

    Raises BadConfiguration for a threshold that is not within 0 and 1.
    """
    if asked is not None:
        return Rule(PARAM, checked(asked))
    return Rule(MODEL if card.threshold is None else CARD, card.threshold)


def checked(threshold: float) -> float:
    """The threshold; raises BadConfiguration when it is not within 0 and 1."""
    if 0 <= threshold <= 1:
        return threshold
    raise BadConfiguration(
        f"threshold {threshold} is no probability: give a number from 0 to 1, or leave it empty"
    )
