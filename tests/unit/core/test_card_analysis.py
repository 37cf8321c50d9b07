"""What the report says of card alerts, against scikit-learn and against plain counting."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from streamweir.arrow import schema_of
from streamweir.contracts.card_fraud import PIPELINE, SCORED
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.objectstore import to_json
from streamweir.reporting.card_fraud import CONTENT, analysis
from streamweir.reporting.inputs import Bundle
from streamweir.reporting.style import house, to_png
from streamweir.reporting.summary import analysis as summarised
from tests.oracle.card_fraud import judge

START = 1_700_000_000


def scored(labels: Sequence[int | None], probabilities: Sequence[float], *, gap_s: int = 60) -> pa.Table:
    rows = [
        {
            "transaction_id": number,
            "event_time": datetime.fromtimestamp(START + number * gap_s, UTC),
            "Amount": 10.0 + number,
            "Class": label,
            "fraud_prob": probability,
            "prediction": int(probability >= 0.5),
            "is_alert": probability >= 0.5,
            "model_version": "v1",
            "scored_at": datetime.fromtimestamp(START, UTC),
            "batch_index": number,
        }
        for number, (label, probability) in enumerate(zip(labels, probabilities, strict=True))
    ]
    return pa.Table.from_pylist(rows, schema_of(SCORED))


def made_up(*, classes: bool = True) -> pa.Table:
    draw = np.random.default_rng(2)
    labels = (draw.random(600) < 0.1).astype(int)
    probabilities = np.clip(0.55 * labels + 0.5 * draw.random(600), 0, 1)
    return scored([int(label) if classes else None for label in labels], probabilities.tolist())


def bundle(frame: pa.Table | None, *, on_topic: int = 3) -> Bundle:
    check = {"name": "alerts: rows in the table and on the topic", "left": 3, "right": on_topic}
    return Bundle(
        Run(Stream(PIPELINE.name, "s"), "r1"),
        PIPELINE,
        tables={} if frame is None else {SCORED.name: frame},
        ledger={"checks": [{**check, "equal": on_topic == 3}]},
    )


def test_alerts_are_judged_as_scikit_learn_does() -> None:
    frame = made_up()
    found = analysis.judged(frame)
    assert found is not None
    told = {row["measure"]: row["value"] for row in analysis.verdicts(found)}
    assert told == pytest.approx(judge(frame.to_pandas()))
    assert told["missed frauds"] + told["true positives"] > 20


def test_without_classes_the_report_says_what_it_cannot_know() -> None:
    told = bundle(made_up(classes=False))
    rows = {row["measure"]: row for row in _rows(told, "judgement")}
    assert rows["alerts"]["value"] == sum(made_up()["is_alert"].to_pylist()) > 0
    assert rows["PR-AUC"]["value"] is None
    assert "no column Class" in rows["missed frauds"]["meaning"]
    assert CONTENT.finding(told).endswith("how many of them are right, nobody can say.")
    assert [plot.name for plot in CONTENT.plots if plot.draw and plot.draw(told) is None] == [
        "precision_recall"
    ]


def test_a_low_precision_is_hinted_at_and_a_good_one_is_not() -> None:
    poor = scored([1, *[0] * 9], [0.9] * 10)
    assert "look at the threshold" in CONTENT.finding(bundle(poor))
    assert "Only 10.0% of the alerts" in CONTENT.finding(bundle(poor))
    assert "threshold" not in CONTENT.finding(bundle(scored([1, 0], [0.9, 0.1])))
    assert "threshold" not in CONTENT.finding(bundle(scored([1, 0], [0.2, 0.1])))


def test_every_hour_is_told_also_one_without_a_transaction() -> None:
    frame = scored([0, 1, 0], [0.1, 0.9, 0.6], gap_s=5400)
    rows = analysis.per_hour(frame)
    assert [(row["transactions"], row["alerts"]) for row in rows] == [(1, 0), (1, 1), (0, 0), (1, 1)]
    assert rows[0]["hour"] == datetime(2023, 11, 14, 22, tzinfo=UTC)


def test_the_distribution_is_told_by_quantiles() -> None:
    frame = made_up()
    rows = {row["share"]: row for row in analysis.distribution(frame)}
    amounts = pd.Series(frame["Amount"].to_pylist())
    assert rows["50.0% lie below"]["Amount"] == amounts.quantile(0.5)
    assert (rows["smallest"]["Amount"], rows["largest"]["Amount"]) == (amounts.min(), amounts.max())


def test_table_and_topic_stand_side_by_side() -> None:
    (row,) = _rows(bundle(made_up(), on_topic=4), "alerts_side_by_side")
    assert (row["in_table"], row["on_topic"], row["equal"]) == (3, 4, False)


def test_the_five_most_suspicious_alerts_are_shown() -> None:
    (sample,) = CONTENT.samples
    shown = sample.choose(bundle(made_up()))
    probabilities = sorted(made_up()["fraud_prob"].to_pylist(), reverse=True)
    assert [row["fraud_prob"] for row in shown] == probabilities[:5]


def test_the_findings_are_plain_json_in_the_summary() -> None:
    told = json.loads(to_json(summarised(bundle(made_up()))))
    assert set(told) == {finding.name for finding in CONTENT.analysis}
    assert told["alerts_by_hour"][0]["hour"] == "2023-11-14T22:00:00+00:00"


def test_every_plot_can_be_drawn() -> None:
    told = bundle(made_up())
    with house():
        drawn = [to_png(figure) for plot in CONTENT.plots if plot.draw and (figure := plot.draw(told))]
    assert len(drawn) == 4
    assert all(len(png) > 5_000 for png in drawn)


def test_a_run_that_scored_nothing_has_a_report_too() -> None:
    for nothing in (bundle(None), bundle(scored([], []))):
        assert CONTENT.finding(nothing) == "No transaction was scored."
        assert not CONTENT.facts(nothing)
        assert [finding.name for finding in CONTENT.analysis if finding.rows(nothing)] == [
            "alerts_side_by_side"
        ]


def _rows(told: Bundle, name: str) -> list[dict[str, object]]:
    finding = next(finding for finding in CONTENT.analysis if finding.name == name)
    return [dict(row) for row in finding.rows(told)]
