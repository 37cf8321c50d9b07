"""Shares that training saw, and how far they may move before somebody should look.

The history is cut into ten parts in order of time. The range of a share is what it was in these parts,
widened on either side by the distance between the smallest and the largest.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

PARTS = 10

Range = Mapping[str, float]
"""share, low and high: all between 0 and 1."""


def share_range(flags: Sequence[bool] | np.ndarray) -> dict[str, float]:
    """The share of true flags (in order of time) and its range."""
    values = np.asarray(flags, dtype=float)
    shares = [part.mean() for part in np.array_split(values, min(PARTS, len(values)))]
    low, high = min(shares), max(shares)
    spread = high - low
    return {
        "share": float(values.mean()),
        "low": float(max(0.0, low - spread)),
        "high": float(min(1.0, high + spread)),
    }


def category_shares(rows: pa.Table, columns: Sequence[str]) -> dict[str, dict[str, dict[str, float]]]:
    """column -> value -> share and range; a missing value counts as none of them."""
    found = {}
    for name in columns:
        values = sorted(value for value in pc.unique(rows[name]).to_pylist() if value is not None)
        found[name] = {
            value: share_range(pc.fill_null(pc.equal(rows[name], value), False).to_numpy())
            for value in values
        }
    return found
