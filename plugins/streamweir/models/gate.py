"""The promotion gate: may a new version take the champion's place?"""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Decision:
    """What the gate decided about `version`, and on which figures.

    champion: the version that it was compared with, None when there was none or it could not be used.
    pr_auc, champion_pr_auc: both on the same `held_out_rows` rows. promoted: the outcome. reason: a
    sentence. decided_at: UTC, ISO 8601.
    """

    version: str
    promoted: bool
    reason: str
    decided_at: str
    pr_auc: float | None = None
    champion: str | None = None
    champion_pr_auc: float | None = None
    held_out_rows: int = 0

    def to_json(self) -> dict[str, Any]:
        """The decision as JSON holds it."""
        return asdict(self)


def passes(pr_auc: float, champion_pr_auc: float | None) -> bool:
    """Not worse than the champion on the same rows; anything passes without a champion to compare with."""
    return champion_pr_auc is None or pr_auc >= champion_pr_auc
