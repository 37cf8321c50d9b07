"""Metrics by hand and in fractions; shares; the split by time."""

from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from streamweir.errors import DatasetUnusable
from streamweir.models import metrics
from streamweir_spark.training.examples import LABEL, Examples, category_shares, share_range, split

LABELS = np.array([1.0, 0.0, 1.0, 0.0, 0.0])
SCORES = np.array([0.9, 0.8, 0.7, 0.2, 0.1])
ROWS = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5000001, 0.9, 1.0])),
    min_size=2,
    max_size=60,
).filter(lambda rows: len({fraud for fraud, _ in rows}) == 2)


def test_average_precision_by_hand() -> None:
    # Recall grows by a half at precision 1, and by a half at precision 2/3.
    assert metrics.pr_auc(LABELS, SCORES) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_roc_auc_by_hand() -> None:
    # Of six pairs of a fraud and an honest row, five are in order.
    assert metrics.roc_auc(LABELS, SCORES) == pytest.approx(5 / 6)


@given(ROWS)
def test_metrics_are_what_counting_in_fractions_gives(rows: list[tuple[bool, float]]) -> None:
    labels, scores = np.array([float(fraud) for fraud, _ in rows]), np.array([score for _, score in rows])
    frauds = sum(fraud for fraud, _ in rows)
    pairs = [(one, other) for fraud, one in rows if fraud for honest, other in rows if not honest]
    won = sum(Fraction(int(one > other)) + Fraction(int(one == other), 2) for one, other in pairs)
    area, best, recall = Fraction(0), (Fraction(-1), 0.0), Fraction(0)
    for threshold in sorted({score for _, score in rows}, reverse=True):
        called = [fraud for fraud, score in rows if score >= threshold]
        area += (Fraction(sum(called), frauds) - recall) * Fraction(sum(called), len(called))
        recall = Fraction(sum(called), frauds)
        best = max(best, (Fraction(2 * sum(called), len(called) + frauds), threshold), key=lambda one: one[0])
        counts = metrics.confusion(labels, scores, threshold)
        assert counts == (sum(called), len(called) - sum(called), frauds - sum(called), counts.tn)
        assert sum(counts) == len(rows)
    assert metrics.pr_auc(labels, scores) == pytest.approx(float(area))
    assert metrics.roc_auc(labels, scores) == pytest.approx(float(won / len(pairs)))
    # Of thresholds that are equally good the highest, which came first here.
    assert metrics.best_f1_threshold(labels, scores) == best[1]


def test_without_a_fraud_nothing_is_found() -> None:
    honest = np.zeros(3)
    assert metrics.pr_auc(honest, SCORES[:3]) == 0
    assert metrics.roc_auc(honest, SCORES[:3]) == 0.5
    counts = metrics.confusion(honest, SCORES[:3], 0.95)
    assert (counts.precision, counts.recall, counts.alerts_per_thousand) == (0, 0, 0)


def test_alerts_per_thousand_count_both_right_and_wrong_alerts() -> None:
    assert metrics.confusion(LABELS, SCORES, 0.75).alerts_per_thousand == 400


def test_a_share_ranges_as_it_did_in_tenths_and_as_much_again() -> None:
    flags = np.zeros(100)
    flags[:3] = 1
    flags[10:15] = 1
    found = share_range(flags == 1)
    assert found == pytest.approx({"share": 0.08, "low": 0.0, "high": 1.0})
    steady = share_range(np.tile([True, False, False, False, False], 20))
    assert steady == pytest.approx({"share": 0.2, "low": 0.2, "high": 0.2})


def test_categories_have_shares_and_a_missing_value_is_none_of_them() -> None:
    rows = pa.table({"method": ["OVO", "OVO", None, "Gopay"]})
    found = category_shares(rows, ["method"])
    assert set(found["method"]) == {"OVO", "Gopay"}
    assert found["method"]["OVO"]["share"] == 0.5
    assert 0 <= found["method"]["Gopay"]["low"] <= 0.25 <= found["method"]["Gopay"]["high"] <= 1


def examples(labels: list[int], ages: list[int | None] | None = None) -> Examples:
    table = pa.table(
        {"age": pa.array(ages or range(len(labels)), pa.int64()), LABEL: [float(x) for x in labels]}
    )
    return Examples(table, ("age",), ())


def test_the_split_follows_time() -> None:
    parts = split(examples([1, 0, 0, 0, 0, 0, 1, 0, 0, 1]))
    assert [part.rows["age"].to_pylist() for part in vars(parts).values()] == [
        [0, 1, 2, 3, 4, 5],
        [6, 7],
        [8, 9],
    ]
    assert parts.counts == {
        "train": 6, "select": 2, "report": 2, "train_frauds": 1, "select_frauds": 1, "report_frauds": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("labels", "part"),
    [([0] * 6 + [1, 0, 1, 0], "train"), ([1] + [0] * 8 + [1], "select"),
     ([1, 0, 0, 0, 0, 0, 1, 0, 1, 1], "report"),
     ([], "train")],
)  # fmt: skip
def test_a_part_with_rows_of_one_kind_is_refused(labels: list[int], part: str) -> None:
    with pytest.raises(DatasetUnusable, match=f"the history's {part} part"):
        split(examples(labels))


def test_rows_that_lack_a_number_are_left_out() -> None:
    assert examples([1, 0, 1], [5, None, 7]).complete().rows["age"].to_pylist() == [5, 7]


@pytest.mark.parametrize(("hits", "of"), [(0, 5), (9, 14), (75, 75), (430, 1_000)])
def test_the_interval_of_a_share_is_wilsons(hits: int, of: int) -> None:
    expected = binomtest(hits, of).proportion_ci(confidence_level=0.95, method="wilson")
    assert metrics.share_interval(hits, of) == pytest.approx(tuple(expected), abs=1e-6)
    assert metrics.share_interval(0, 0) == (0, 1)


def test_the_interval_of_an_area_holds_the_true_one_nineteen_times_in_twenty() -> None:
    draw = np.random.default_rng(5)

    def area(frauds: int) -> float:
        labels = np.repeat([1.0, 0.0], [frauds, 9 * frauds])
        return metrics.pr_auc(labels, draw.normal(labels * 2, 1))

    true, within = area(200_000), []
    for _ in range(300):
        low, high = metrics.pr_auc_interval(area(60), 60)
        within.append(low <= true <= high)
    assert 0.9 <= np.mean(within) <= 1
    assert metrics.pr_auc_interval(0.3, 0) == (0, 1)
    assert metrics.pr_auc_interval(1.0, 8)[0] < 0.9, "all right of eight frauds proves little"
