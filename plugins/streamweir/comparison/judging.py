"""The labelled rows that two runs scored, out of their tables, and what both runs' scores are worth."""

from typing import Any

import duckdb
import numpy as np

from streamweir.comparison.differences import called
from streamweir.comparison.pairs import BASELINE, SIDES, Layout, name, of
from streamweir.comparison.quality import BINS, EXACT_ROWS, RESAMPLES, SEED, Cells, Judge
from streamweir.contracts.tables import Scores

_SENT = "batch_index"
"""The column by which rows are in the order in which they were sent."""


def judged(
    sql: duckdb.DuckDBPyConnection, layout: Layout, scores: Scores, taught: int
) -> dict[str, Any] | None:
    """Precision, recall and PR-AUC of both runs on the rows of `joined` with a label that no model has seen.

    taught: how many labelled rows, the first that were sent, taught one of the models. None where no such row
    is left, or the table has no labels.
    """
    if scores.label not in layout.columns:
        return None
    label = of(BASELINE, scores.label)
    known = " and ".join(
        (f"{label} is not null", *(f"isfinite({of(side, scores.probability)})" for side in SIDES))
    )
    new = _new(sql, layout, known, taught)
    ((labelled, rows),) = sql.sql(
        f"select count(*), count(*) filter ({new}) from joined where {known}"
    ).fetchall()
    if not rows:
        return None
    cells = _cells(sql, scores, f"{known} and {new}", None if rows <= EXACT_ROWS else BINS)
    return {
        "rows": rows,
        "seen_by_a_model": labelled - rows,
        "bins": cells.bins,
        "resamples": RESAMPLES,
        "seed": SEED,
        "measures": cells.compared(),
    }


def _new(sql: duckdb.DuckDBPyConnection, layout: Layout, known: str, taught: int) -> str:
    """Which rows come after those that taught, as SQL says it."""
    if not taught:
        return "true"
    sent = name(_SENT) if _SENT in layout.key else of(BASELINE, _SENT)
    found = sql.sql(
        f"select {sent} from joined where {known} order by {sent} limit 1 offset {taught}"
    ).fetchall()
    return f"{sent} >= {found[0][0]}" if found else "false"


def _cells(sql: duckdb.DuckDBPyConnection, scores: Scores, which: str, bins: int | None) -> Cells:
    probabilities = (of(side, scores.probability) for side in SIDES)
    if bins:
        probabilities = (f"least(greatest(floor({each} * {bins}), 0), {bins - 1})" for each in probabilities)
    baseline, candidate = probabilities
    calls = (called(side, scores.called) for side in SIDES)
    cells = sql.sql(
        f"select {of(BASELINE, scores.label)} = 1, {baseline}, {candidate}, {', '.join(calls)}, count(*) "
        f"from joined where {which} group by all order by all"
    ).fetchnumpy()
    fraud, first, second, first_calls, second_calls, rows = (np.asarray(values) for values in cells.values())
    return Cells(Judge.of(first, first_calls, fraud), Judge.of(second, second_calls, fraud), rows, bins)
