"""What the report says of card alerts, against scikit-learn and against plain counting."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.stats import binomtest

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


def made_up(*, classes: bool = True, apart: float = 0.55) -> pa.Table:
    """apart: by how much a fraud's probability is larger; the others lie anywhere in the first half."""
    draw = np.random.default_rng(2)
    labels = (draw.random(600) < 0.1).astype(int)
    probabilities = np.clip(apart * labels + 0.5 * draw.random(600), 0, 1)
    return scored([int(label) if classes else None for label in labels], probabilities.tolist())


def bundle(frame: pa.Table | None, *, on_topic: int = 3, **more: Any) -> Bundle:
    check = {"name": "alerts: rows in the table and on the topic", "left": 3, "right": on_topic}
    return Bundle(
        Run(Stream(PIPELINE.name, "s"), "r1"),
        PIPELINE,
        tables={} if frame is None else {SCORED.name: frame},
        ledger={"checks": [{**check, "equal": on_topic == 3}]},
        **more,
    )


def taught(frame: pa.Table, *, history: str = "h", of: str = "h", source: str = "trained") -> Bundle:
    """A run with a model of the dataset `of`, which learned from 360 rows and was chosen on 120."""
    card = {"source": source, "history_fingerprint": of, "rows": {"train": 360, "select": 120, "report": 120}}
    dataset = {"task": "ensure_dataset", "result": {"history_fingerprint": history}}
    return bundle(frame, card=card, tasks=(dataset,))


def test_alerts_are_judged_as_scikit_learn_does() -> None:
    frame = made_up()
    told = {row["measure"]: row["value"] for row in _rows(bundle(frame), "judgement")}
    assert told.pop("transactions") == 600
    assert told == pytest.approx(judge(frame.to_pandas()))
    assert told["missed frauds"] + told["true positives"] > 20


def test_what_the_model_has_seen_is_judged_apart_and_the_headline_leaves_it_out() -> None:
    # In another order than they were sent: what taught the model follows from that alone.
    frame = made_up().take(np.random.default_rng(3).permutation(600))
    rows, sent = _rows(taught(frame), "judgement"), frame.to_pandas()
    before, after = (sent[sent["batch_index"].between(*ends)] for ends in ((0, 479), (480, 599)))
    for column, part in (("value", after), ("seen", before)):
        told = {row["measure"]: row[column] for row in rows}
        assert told.pop("transactions") == len(part)
        assert told == pytest.approx(judge(part))
    new = judge(after)
    caught, frauds = new["true positives"], new["true positives"] + new["missed frauds"]
    assert f"Of the 120 that the model did not learn from, {caught} of {frauds} known frauds are among" in (
        CONTENT.finding(taught(frame))
    )
    facts = {fact.name: fact for fact in CONTENT.facts(taught(frame))}
    low, high = binomtest(caught, frauds).proportion_ci(method="wilson")
    assert facts["recall"].value == f"{low:.0%} to {high:.0%}", "of few frauds an interval"
    missed = f"{frauds - caught} of {frauds} frauds missed"
    assert facts["recall"].remark == f"{missed}, on 120 rows new to the model"
    whole = {fact.name: fact.value for fact in CONTENT.facts(bundle(frame))}
    assert whole["recall"] == f"{judge(sent)['recall']:.1%}"


def test_the_curve_is_that_of_what_the_model_has_not_seen() -> None:
    frame = made_up(apart=0.2)
    with house():
        (plot,) = (plot for plot in CONTENT.plots if plot.name == "precision_recall")
        assert plot.draw is not None
        figure = plot.draw(taught(frame))
    assert figure is not None
    area = judge(frame.to_pandas()[480:])["PR-AUC"]
    assert f"area {area:.4f}" in figure.axes[0].get_title(loc="left")
    assert f"{area:.4f}" != f"{judge(frame.to_pandas())['PR-AUC']:.4f}"


@pytest.mark.parametrize("other", [{"of": "x"}, {"source": "external"}, {"history": None}])
def test_a_model_that_was_made_elsewhere_has_seen_none_of_the_rows(other: dict[str, Any]) -> None:
    rows = {row["measure"]: row for row in _rows(taught(made_up(), **other), "judgement")}
    assert (rows["transactions"]["value"], rows["transactions"]["seen"]) == (600, None)
    says = "it was trained elsewhere" in CONTENT.finding(taught(made_up(), **other))
    assert says == (other.get("source") == "external")


def test_a_run_of_what_taught_the_model_has_no_figures_in_its_headline() -> None:
    first = taught(made_up().slice(0, 480))
    assert "The model was made from all of them" in CONTENT.finding(first)
    assert [fact.name for fact in CONTENT.facts(first)] == ["alerts"]
    rows = {row["measure"]: row for row in _rows(first, "judgement")}
    assert (rows["precision"]["value"], rows["transactions"]["seen"]) == (None, 480)
    assert rows["precision"]["seen"] > 0


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
