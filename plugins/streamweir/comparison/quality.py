"""How good two runs' scores are on the same labelled rows, with a paired bootstrap of their difference."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamweir.models.metrics import Confusion, pr_auc

RESAMPLES = 200
SEED = 42
EXACT_ROWS = 100_000
"""More labelled rows than these are put into bins of their score."""
BINS = 1_000
_INTERVAL = (0.025, 0.975)
_MEASURES = ("precision", "recall", "PR-AUC")

Rows = NDArray[np.int64]
Measures = tuple[float, float, float]


@dataclass(frozen=True)
class Judge:
    """A run's word on the labelled rows.

    scores: the different ones. place: for each cell of rows the place of its score among them, whether it is
    called fraud and whether it is fraud, as one number.
    """

    scores: NDArray[np.float64]
    place: Rows

    @classmethod
    def of(cls, scores: NDArray[np.float64], called: NDArray[np.bool_], fraud: NDArray[np.bool_]) -> "Judge":
        """From values by cell."""
        different, score = np.unique(scores, return_inverse=True)
        return cls(different, 4 * score + 2 * called + fraud)

    def measures(self, rows: Rows) -> Measures:
        """Precision and recall of what it calls fraud, and PR-AUC. rows: how many each cell stands for."""
        counts = np.bincount(self.place, rows, 4 * len(self.scores)).reshape(-1, 2, 2)
        (tn, fn), (fp, tp) = counts.sum(axis=0).astype(int).tolist()
        found = Confusion(tp, fp, fn, tn)
        score, label = np.nonzero(weights := counts.sum(axis=1))
        area = pr_auc(label.astype(float), self.scores[score], weights[score, label])
        return found.precision, found.recall, area


@dataclass(frozen=True)
class Cells:
    """Labelled rows that both runs scored, those with the same label and the same two words together.

    rows: how many are in each cell. bins: how many bins their scores were put into; None: the scores are
    exact.
    """

    baseline: Judge
    candidate: Judge
    rows: Rows
    bins: int | None

    def compared(self) -> list[dict[str, Any]]:
        """A measure per row: both runs' values, the candidate's less the baseline's, and the 95 % interval of
        that difference, `low` to `high`.

        Precision counts as 0 without an alert, recall and PR-AUC without a fraud.
        """
        baseline, candidate = self._both(self.rows)
        low, high = np.quantile(self._differences(), _INTERVAL, axis=0)
        lines = zip(_MEASURES, baseline, candidate, low, high, strict=True)
        return [
            {
                "measure": measure,
                "baseline": first,
                "candidate": second,
                "difference": second - first,
                "low": float(below),
                "high": float(above),
            }
            for measure, first, second, below, above in lines
        ]

    def _differences(self) -> NDArray[np.float64]:
        """The differences in each resample: rows are drawn with replacement, the same for both runs."""
        random, total = np.random.default_rng(SEED), int(self.rows.sum())
        shares = self.rows / total
        pairs = np.array([self._both(random.multinomial(total, shares)) for _ in range(RESAMPLES)])
        return pairs[:, 1] - pairs[:, 0]

    def _both(self, rows: Rows) -> tuple[Measures, Measures]:
        return self.baseline.measures(rows), self.candidate.measures(rows)
