"""Two runs compared: equal ones of every pipeline, each kind of difference, what cannot be compared."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from streamweir.__main__ import program
from streamweir.commands import compare as command
from streamweir.comparison import compare, put_comparison, run_named
from streamweir.contracts.card_fraud import SCORED
from streamweir.contracts.clickstream_anomaly import WINDOWS
from streamweir.contracts.ecommerce_fraud import FRAUD_WINDOWS, PREDICTIONS
from streamweir.contracts.merchant_patterns import DETECTIONS
from streamweir.contracts.models import ModelKeys
from streamweir.contracts.pipelines import pipeline as pipeline_of
from streamweir.contracts.pipelines import pipeline_names
from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.contracts.tables import Table
from streamweir.errors import BadConfiguration, DependencyUnreachable
from streamweir.models.card import Card
from streamweir.objectstore import ObjectStore
from streamweir.reporting.compared import grids
from streamweir.reporting.inputs import load_bundle
from streamweir.reporting.publishing import render
from streamweir.reporting.summary import summarise
from streamweir.reporting.verdict import judge
from tests.support.file_store import FileStore
from tests.support.made_up_bundle import made_up_bundle
from tests.support.made_up_pair import ROWS, made_up_run, put_dataset, put_plan, put_table, rows_in

Found = dict[str, Any]


class Pair:
    """Two runs of a pipeline, equal until a test changes the second."""

    def __init__(self, pipeline: str) -> None:
        self.store, self.pipeline = FileStore(), pipeline
        self.baseline = made_up_run(self.store, pipeline, "first")
        self.candidate = made_up_run(self.store, pipeline, "second")

    def change(self, table: Table, change: Callable[[list[Found]], list[Found]]) -> None:
        rows = rows_in(self.store, self.candidate, table)
        put_table(self.store, self.candidate, table, change(rows))

    def compared(self, tolerance: float | None = None) -> Found:
        return compare(cast(ObjectStore, self.store), self.baseline, self.candidate, tolerance)

    def table(self, table: Table, tolerance: float | None = None) -> Found:
        return next(one for one in self.compared(tolerance)["tables"] if one["table"] == table.name)

    def refusal(self) -> str:
        with pytest.raises(BadConfiguration) as raised:
            self.compared()
        return str(raised.value)


def set_in(number: int, **values: Any) -> Callable[[list[Found]], list[Found]]:
    def change(rows: list[Found]) -> list[Found]:
        rows[number] |= values
        return rows

    return change


@pytest.mark.parametrize("name", pipeline_names())
def test_equal_runs_are_equal_whatever_is_their_own(name: str) -> None:
    found = Pair(name).compared()
    assert found["outcome"] == "equal"
    tables = pipeline_of(name).tables
    assert [(one["table"], one["rows"]) for one in found["tables"]] == [
        (table.name, {"baseline": ROWS, "candidate": ROWS}) for table in tables
    ]
    assert all(one["differing"]["columns"] == [] for one in found["tables"])
    assert len(json.dumps(found, allow_nan=False)) > 100


@pytest.mark.parametrize("name", pipeline_names())
def test_a_row_less_and_a_changed_value_are_found_in_every_table(name: str) -> None:
    pair, changed = Pair(name), dict[str, str]()
    for table in pipeline_of(name).tables:
        key = table.matched_by or table.key
        column = next(one.name for one in table.columns if one.name not in key and not one.own)
        changed[table.name] = column
        rows = rows_in(pair.store, pair.candidate, table)
        put_table(pair.store, pair.candidate, table, [{**rows[0], column: None}, *rows[2:]])
    found = pair.compared()
    assert found["outcome"] == "different"
    for one in found["tables"]:
        assert one["baseline_only"]["rows"] == 1
        assert one["candidate_only"] == {"rows": 0, "examples": []}
        differing = [(column["column"], column["rows"]) for column in one["differing"]["columns"]]
        assert differing == [(changed[one["table"]], 1)]


def test_probabilities_flips_and_alerts_are_told_with_both_scores() -> None:
    pair = Pair("ecommerce_fraud")
    pair.change(PREDICTIONS, set_in(2, fraud_probability=0.9, prediction=1))
    pair.change(PREDICTIONS, set_in(3, fraud_probability=math.nan, prediction=0))
    pair.change(PREDICTIONS, set_in(5, fraud_probability=0.056))
    found = pair.table(PREDICTIONS)
    assert [one["key"]["transaction_id"] for one in found["probability"]["largest"]] == [
        "transaction_id 2",
        "transaction_id 5",
    ]
    assert found["probability"]["quantiles"]["0.999"] == pytest.approx(0.875)
    assert (found["flips"]["raised"], found["flips"]["dropped"]) == (1, 1)
    second, first = (one["columns"] for one in found["flips"]["largest"])
    assert first["fraud_probability"] == {"baseline": 0.025, "candidate": 0.9, "differs": True}
    assert first["prediction"] == {"baseline": 0, "candidate": 1, "differs": True}
    assert second["fraud_probability"] == {"baseline": 0.035, "candidate": "nan", "differs": True}
    assert {name: found["alerts"][name] for name in ("both", "baseline_only", "candidate_only")} == {
        "both": 5,
        "baseline_only": 1,
        "candidate_only": 1,
    }
    assert found["differing"]["rows"] == 3


def test_an_alert_in_one_only_is_told_also_where_the_other_has_no_such_row() -> None:
    pair = Pair("clickstream_anomaly")
    pair.change(WINDOWS, lambda rows: [row for row in rows if row["window_start"] != rows[3]["window_start"]])
    alerts = pair.table(WINDOWS)["alerts"]
    assert (alerts["both"], alerts["baseline_only"], alerts["candidate_only"]) == (3, 1, 0)
    assert alerts["examples"][0]["columns"]["flagged"] == {
        "baseline": True,
        "candidate": None,
        "differs": False,
    }


def test_figure_windows_that_differ_are_told_with_both_values() -> None:
    pair = Pair("ecommerce_fraud")
    pair.change(FRAUD_WINDOWS, set_in(4, frauds=70))
    differing = pair.table(FRAUD_WINDOWS)["differing"]
    assert differing["columns"] == [
        {
            "column": "frauds",
            "rows": 1,
            "largest": {
                "key": {"window_start": "2026-01-01T00:00:04+00:00"},
                "columns": {"frauds": {"baseline": 4, "candidate": 70, "differs": True}},
            },
        }
    ]


def test_detections_are_the_same_whatever_their_place_in_the_count() -> None:
    pair = Pair("merchant_patterns")
    pair.change(DETECTIONS, lambda rows: [{**row, "number": row["number"] - 1} for row in rows[1:]])
    found = pair.table(DETECTIONS)
    assert found["baseline_only"]["examples"] == [
        {"key": {"patternId": "patternId 0", "MerchantId": "MerchantId 0", "customerName": "customerName 0"}}
    ]
    assert [(one["column"], one["rows"]) for one in found["differing"]["columns"]] == [("number", ROWS - 1)]


def test_rejected_rows_are_counted_by_reason() -> None:
    pair = Pair("card_fraud")
    same = {"topic": "transactions", "rows": 2}
    for run, reasons in ((pair.baseline, ("late", "late")), (pair.candidate, ("late", "malformed"))):
        rows = [{**row, **same} for row in rows_in(pair.store, run, REJECTED)[:2]]
        put_table(
            pair.store, run, REJECTED, [row | {"reason": why} for row, why in zip(rows, reasons, strict=True)]
        )
    assert pair.compared()["rejected"] == [
        {"topic": "transactions", "reason": "late", "baseline": 4, "candidate": 2},
        {"topic": "transactions", "reason": "malformed", "baseline": 0, "candidate": 2},
    ]


def test_within_a_tolerance_runs_are_equal() -> None:
    pair = Pair("card_fraud")
    pair.change(SCORED, set_in(1, fraud_prob=0.015 + 1e-13))
    assert pair.compared()["outcome"] == "different"
    assert pair.compared(1e-12)["outcome"] == "equal"


def test_latency_and_settings_are_shown_and_make_no_difference() -> None:
    pair = Pair("card_fraud")
    pair.store.put_json(pair.candidate.parameters, {"speed": 0, "threshold": None})
    found = pair.compared()
    assert found["outcome"] == "equal"
    assert found["settings"] == [{"name": "speed", "baseline": 10, "candidate": 0}]
    assert {one["measure"]: one["candidate"] for one in found["timings"]} == {
        "latency_p50_s": 1.0,
        "latency_p95_s": 1.45,
        "latency_max_s": 1.5,
        "rows_per_second": 30.0,
    }


def test_scores_are_judged_on_rows_that_no_model_has_seen() -> None:
    pair = Pair("card_fraud")
    found = pair.compared()["quality"]
    assert (found["rows"], found["seen_by_a_model"], found["bins"]) == (ROWS, 0, None)
    card = Card(source="trained", history_fingerprint="h" * 64, rows={"train": 4, "select": 3, "report": 5})
    pair.store.put_json(ModelKeys("card_fraud").card("m-2"), card.to_json())
    pair.store.put_json(pair.candidate.model, {"version": "m-2", "origin": "champion"})
    found = pair.compared()["quality"]
    assert (found["rows"], found["seen_by_a_model"]) == (5, 7)
    late = [row for row in rows_in(pair.store, pair.baseline, SCORED) if row["batch_index"] >= 7]
    frauds = [row for row in late if row["Class"] == 1]
    caught = [row for row in frauds if row["is_alert"]]
    recall = next(one for one in found["measures"] if one["measure"] == "recall")
    assert recall["baseline"] == recall["candidate"] == len(caught) / len(frauds)
    assert (recall["difference"], recall["low"], recall["high"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"dataset": "e" * 64}, "of the datasets other files: live"),
        ({"start_ts": 7}, "start_ts is 1767225600 in the first and 7 in the second"),
        ({"late": {5: 90}}, "late is {} in the first and {5: 90} in the second"),
        ({"batch_rows": 2}, "batch_rows is 1 in the first and 2 in the second"),
        ({"rows": 3}, "the first sent 12 rows of transactions, the second 3 rows of transactions"),
    ],
)
def test_other_data_is_refused_and_named(plan: Found, said: str) -> None:
    pair = Pair("card_fraud")
    put_plan(
        pair.store,
        pair.candidate,
        **{"dataset": "d" * 64, "start_ts": 1_767_225_600, "batch_rows": 1, "late": {}, **plan},
    )
    put_dataset(pair.store, pair.candidate, "x", live="m" * 64)
    assert said in pair.refusal()


def test_datasets_that_differ_in_what_models_are_trained_on_are_the_same_recording() -> None:
    pair = Pair("card_fraud")
    put_plan(pair.store, pair.candidate, dataset="e" * 64, start_ts=1_767_225_600, batch_rows=1, late={})
    put_dataset(pair.store, pair.candidate, "e" * 64, history="i" * 64)
    assert pair.compared()["outcome"] == "equal"


def test_what_cannot_be_compared_is_said() -> None:
    pair = Pair("card_fraud")
    pair.store.delete(pair.candidate.table_file(SCORED.name))
    assert "scored/data.parquet is not there: reconcile that run again" in pair.refusal()
    pair.store.delete(pair.candidate.ledger)
    assert "run second is not finished" in pair.refusal()
    pair.store.delete(pair.candidate.plan)
    assert "there is no run second on stream card_fraud.second-" in pair.refusal()
    made_up_run(pair.store, "ecommerce_fraud", "second")
    assert "run second is one of ecommerce_fraud, not of card_fraud" in pair.refusal()


def test_a_comparison_lies_in_the_bundle_and_is_in_the_report(
    good_report: Callable[..., str],
) -> None:
    pair = Pair("ecommerce_fraud")
    pair.change(PREDICTIONS, set_in(2, fraud_probability=0.9, prediction=1))
    pair.change(FRAUD_WINDOWS, set_in(4, frauds=70))
    found = put_comparison(cast(ObjectStore, pair.store), "first", pair.candidate)
    assert pair.store.get_json(pair.candidate.comparison) == found == pair.compared()
    page = good_report(found)
    assert '<section id="comparison">' in page
    assert "not as in the baseline, first, to the bit: 1 of predictions, 1 of fraud_windows." in page
    assert "transaction_id transaction_id 2" in page
    assert "<h3>Decisions</h3>" in page
    assert 'href="#comparison"' in page


def test_what_is_stored_is_shown_with_the_names_before_the_values() -> None:
    pair = Pair("card_fraud")
    pair.store.put_json(pair.candidate.parameters, {"speed": 3})
    put_comparison(cast(ObjectStore, pair.store), "first", pair.candidate)
    shown = {grid.title: grid for grid in grids(pair.store.get_json(pair.candidate.comparison))}
    sides = ["baseline", "candidate"]
    for title, names in (
        ("Settings", ["name"]),
        ("Worth of the scores", ["measure"]),
        ("Rejected", ["topic", "reason"]),
        ("Timings", ["measure"]),
    ):
        assert [*shown[title].rows[0]][: len(names) + 2] == [*names, *sides], title


def test_a_comparison_that_cannot_be_done_fails_the_run_and_its_report_says_why(
    good_report: Callable[..., str],
) -> None:
    pair = Pair("ecommerce_fraud")
    put_comparison(cast(ObjectStore, pair.store), "nothing", pair.candidate)
    found = pair.store.get_json(pair.candidate.comparison)
    page = good_report(found, outcome="failed")
    assert "It was to be compared with nothing, which could not be done: there is no run nothing" in page
    assert '<section id="comparison">' not in page
    pair.store.put_json(pair.candidate.comparison, {**found, "format": 2})
    with pytest.raises(BadConfiguration, match=r"comparison.json has format 2, but only formats up to 1"):
        load_bundle(pair.candidate, cast(ObjectStore, pair.store))


def test_a_store_that_is_away_leaves_no_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = Pair("card_fraud")
    monkeypatch.setattr(pair.store, "download", _unreachable)
    with pytest.raises(DependencyUnreachable):
        put_comparison(cast(ObjectStore, pair.store), "first", pair.candidate)
    assert not pair.store.exists(pair.candidate.comparison)


@pytest.fixture(scope="module")
def good_report() -> Callable[..., str]:
    """The report of a run that has rejected many rows, with a comparison."""
    made_up = made_up_bundle(batches=24)
    bundle = load_bundle(made_up.run, cast(ObjectStore, made_up.store))

    def rendered(comparison: Found, outcome: str = "warning") -> str:
        compared = replace(bundle, comparison=comparison)
        assert judge(compared).outcome == outcome
        return render(compared, summarise(compared), judge(compared))

    return rendered


def test_a_run_is_named_by_its_id_or_with_its_stream() -> None:
    assert run_named("card_fraud", "prod/r1") == Run(Stream("card_fraud", "prod"), "r1")
    assert run_named("card_fraud", "r1").stream.id.startswith("r1-")
    with pytest.raises(BadConfiguration, match="names no run"):
        run_named("card_fraud", "prod/")


def ended(pair: Pair, monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr(command, "store", lambda: pair.store)
    result = CliRunner().invoke(program(), ["compare", "first", *words, "--pipeline", pair.pipeline])
    return result.exit_code, result.stdout, result.stderr


def test_the_command_ends_as_diff_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pair = Pair("card_fraud")
    code, text, _ = ended(pair, monkeypatch, "second")
    assert (code, text.splitlines()[0]) == (0, "equal")
    pair.change(SCORED, set_in(1, fraud_prob=0.5))
    code, text, _ = ended(pair, monkeypatch, "second", "--out", str(tmp_path / "made"))
    assert (code, text.splitlines()[0]) == (1, "different")
    assert json.loads((tmp_path / "made" / "comparison.json").read_text()) == pair.compared()
    code, text, _ = ended(pair, monkeypatch, "second", "--json")
    assert (code, json.loads(text)["outcome"]) == (1, "different")
    code, text, said = ended(pair, monkeypatch, "third")
    assert (code, text) == (2, "")
    assert said.startswith("error: there is no run third")
    pair.store.put(pair.baseline.table_file(SCORED.name), b"no parquet")
    code, _, said = ended(pair, monkeypatch, "second")
    assert (code, said.startswith("error: the tables of first and second could not be compared")) == (2, True)
    monkeypatch.setattr(pair.store, "download", _unreachable)
    assert ended(pair, monkeypatch, "second")[0] == 2


def _unreachable(*_: object) -> None:
    raise DependencyUnreachable("the store is away")
