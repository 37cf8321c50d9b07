"""Report, summary and plots of made-up runs: complete, safe to open, and honest about what is missing."""

import copy
import io
import re
from html.parser import HTMLParser

import pyarrow as pa
import pytest
from PIL import Image

from streamweir.arrow import schema_of
from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.models import ModelKeys
from streamweir.contracts.rejected import REJECTED
from streamweir.contracts.runs import Run
from streamweir.reporting import plot, publish, refresh_summary
from streamweir.reporting.inputs import Bundle
from streamweir.reporting.sections import rejected
from tests.support.made_up_bundle import made_up_bundle, put_tasks, quality
from tests.support.made_up_ledger import reconcile_made_up
from tests.support.made_up_run import LATE_BATCH, MadeUpRun
from tests.support.made_up_tables import EVIL, THRESHOLD, VERSION
from tests.support.memory_store import MemoryStore

PLOTS = {
    "frauds",
    "probabilities",
    "sold_quantity",
    "top_products",
    "top_categories",
    "ledger",
    "latency",
    "micro_batches",
    "task_timings",
}


class Page(HTMLParser):
    """What a browser would do with a page: its elements, and the addresses that it asks for."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.anchors: list[str] = []
        self.ids: list[str] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        self.ids.append(values.get("id") or "")
        if tag == "a":
            self.anchors.append(values.get("href") or "")
        elif values.get("src") or values.get("href"):
            self.sources.append(values.get("src") or values.get("href") or "")

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture(scope="module")
def good() -> MadeUpRun:
    made_up = made_up_bundle(batches=48)
    publish(made_up.run, made_up.store)
    return made_up


@pytest.fixture
def made_up(good: MadeUpRun) -> MadeUpRun:
    """A copy of the good run, for a test to break."""
    copied = copy.copy(good)
    copied.store = MemoryStore()
    copied.store.objects = dict(good.store.objects)
    return copied


def report(made_up: MadeUpRun) -> str:
    return (made_up.store.get(made_up.run.report) or b"").decode()


def test_every_plot_is_drawn_and_no_empty_picture(good: MadeUpRun) -> None:
    for name in PLOTS:
        image = Image.open(io.BytesIO(good.store.get(good.run.plot(name)) or b""))
        assert image.width > 700
        assert len(image.convert("RGB").getcolors(1 << 24)) > 20
    assert {key.key.rsplit("/", 1)[1] for key in good.store.list(good.run.plots)} == {
        f"{name}.png" for name in PLOTS
    }


def test_the_report_starts_with_the_outcome(good: MadeUpRun) -> None:
    words = Page(report(good)).words
    outcome, ledger = (
        words.index("Every row is accounted for"),
        words.index("What was sent, what Kafka holds"),
    )
    assert outcome < ledger
    assert f"{48 * 200:,} rows of browsing" in words[outcome:ledger]
    assert f"{good.counts['scored']:,} scored transactions" in words[outcome:ledger]
    aside = sum(good.counts[reason] for reason in ("late", "malformed", "unscorable", "duplicate"))
    assert f"{aside} rows were set aside with a reason: {good.counts['late']} late" in words[outcome:ledger]


def test_the_report_needs_no_other_file_and_no_network(good: MadeUpRun) -> None:
    page = Page(report(good))
    assert page.tags.count("img") == len(PLOTS)
    assert all(source.startswith("data:") for source in page.sources)
    assert not re.search(r"url\(|@import|https?://", report(good))


def test_each_anchor_leads_to_a_section_or_into_the_bundle(good: MadeUpRun) -> None:
    page = Page(report(good))
    assert len(page.anchors) > 10
    for anchor in page.anchors:
        inside = anchor.startswith("#") and anchor[1:] in page.ids
        assert inside or re.fullmatch(
            r"[a-z_]+/(data\.parquet|index\.html)|[a-z]+\.(json|parquet)", anchor
        ), anchor


def test_text_from_data_stays_text(good: MadeUpRun) -> None:
    html = report(good)
    page = Page(html)
    assert EVIL in page.words
    assert "<i>LinkAja</i>" in page.words
    assert "script" not in page.tags
    assert "customer '<b>x</b>' is unknown" in page.words


def test_what_a_user_calls_run_and_dataset_stays_text_too(made_up: MadeUpRun) -> None:
    objects, before = made_up.store.objects, made_up.run
    made_up.run = Run(before.stream, EVIL)
    for key, data in list(objects.items()):
        objects[key.replace(str(before.bundle), str(made_up.run.bundle))] = data
    record = made_up.store.get_json(made_up.run.task("ensure_dataset"))
    made_up.store.put_json(made_up.run.task("ensure_dataset"), {**record, "error": EVIL, "outcome": "failed"})
    made_up.store.put_json(made_up.run.parameters, {"dataset": EVIL})
    publish(made_up.run, made_up.store)
    page = Page(report(made_up))
    assert page.words.count(EVIL) > 3
    assert "script" not in page.tags


def test_a_record_with_control_characters_is_shown_escaped() -> None:
    made_up = MadeUpRun(batches=8)
    record = made_up.records("browsing")[0]
    object.__setattr__(record, "value", b"\x00\xff\x1b[31m<!-- \xed\xa0\x80")
    made_up.reject(record, "malformed", 0, row=1)
    made_up.work("browsing", 0, -1)
    made_up.commit(9)
    reconcile_made_up(made_up)
    publish(made_up.run, made_up.store)
    html = report(made_up)
    assert "\\x00\\xff\\x1b[31m&lt;!-- \\xed\\xa0\\x80" in html
    assert not re.search(r"[\x00-\x08\x0e-\x1f]", html)


def test_rejected_records_are_grouped_by_reason_with_samples(good: MadeUpRun) -> None:
    words = Page(report(good)).words
    assert f"late: {good.counts['late'] - 200:,} of transactions" in words
    assert "late: 200 of browsing" in words
    assert "ts is 90 s behind; 60 s are allowed" in words


def test_each_reason_has_the_command_that_puts_its_records_back(good: MadeUpRun) -> None:
    words = Page(report(good)).words
    names = f"--pipeline ecommerce_fraud --stream made-up --run {good.run.id}"
    assert words.count(f"streamweir rejected redrive --dry-run --reason late {names}") == 1
    assert f"streamweir rejected show PLACE {names}" in words
    late = next(
        record for record in good.records("browsing") if record.headers and record.headers.batch == LATE_BATCH
    )
    assert f"browsing/{late.partition}/{late.offset} (whole message)" in words


def test_foreign_messages_cannot_be_put_back(good: MadeUpRun) -> None:
    lines = [
        {"topic": "transactions", "partition": 0, "offset": 7, "row": -1, "rows": 1, "reason": reason}
        for reason in ("foreign", "malformed")
    ]
    tables = {REJECTED.name: pa.Table.from_pylist(lines, schema_of(REJECTED))}
    found = rejected(Bundle(good.run, PIPELINE, tables=tables))
    assert found is not None
    assert [group["reason"] for group in found["groups"]] == ["foreign", "malformed"]
    assert found["reasons"] == ["malformed"]


def test_failed_expectations_come_first_and_warnings_fail_nothing(good: MadeUpRun) -> None:
    words = Page(report(good)).words
    assert words.index("3.10 %, expected 1.2 % to 2.4 %") < words.index("fraud_probability: lies in [0, 1]")
    assert publish(good.run, good.store).outcome == "success"


def test_the_summary_has_what_programs_ask_for(good: MadeUpRun) -> None:
    summary = good.store.get_json(good.run.summary)
    assert summary["outcome"] == "success"
    assert summary["failures"] == []
    assert summary["parameters"] == {
        "pipeline": "ecommerce_fraud",
        "speed": 10,
        "batches": None,
        "start_ts": 1_767_225_600,
    }
    assert (summary["model"]["version"], summary["model"]["scoring"]) == (VERSION, "numpy")
    assert len(summary["model"]["sha256"]) == 64
    assert summary["packages"]["pyarrow"]
    assert (
        summary["rows"]["transactions"]["scored"]
        == summary["rows"]["tables"]["predictions"]
        == good.counts["scored"]
    )
    assert summary["tasks"]["replay"]["seconds"] == 33.2
    assert summary["replay"]["rows_per_second"] == round(summary["replay"]["rows"] / 30.4, 1)
    assert 0 < summary["latency_s"]["p50"] < summary["latency_s"]["p95"] <= summary["latency_s"]["max"]
    assert summary["scorer"]["rows"] == summary["replay"]["rows"]
    remembered = 1_000 * summary["scorer"]["micro_batches"]
    assert summary["scorer"]["state_bytes"] == {"largest": remembered, "last": remembered}
    assert summary["quality"] == {"expectations": 5, "failed_critical": 0, "failed_warnings": 1}
    assert summary["memory"] is None


def test_memory_that_is_measured_later_is_added_to_summary_and_report(made_up: MadeUpRun) -> None:
    refresh_summary(made_up.store, made_up.run, {"peak_bytes": 5 * 2**30, "limit_bytes": 6 * 2**30})
    assert made_up.store.get_json(made_up.run.summary)["memory"]["peak_bytes"] == 5 * 2**30
    assert "5.00 GiB of 6.00 GiB" in report(made_up)


def test_a_failed_run_says_which_task_failed_and_what_is_missing() -> None:
    made_up = MadeUpRun(batches=8)
    made_up.store.delete(made_up.run.manifest)
    put_tasks(made_up, until="start_scorer", error="model input `loyalty_tier` is <missing>")
    verdict = publish(made_up.run, made_up.store)
    words = Page(report(made_up)).words
    assert verdict.outcome == "failed"
    assert "This run failed" in words
    assert "Task start_scorer failed: model input `loyalty_tier` is <missing>" in words
    assert "the replay's manifest, the ledger, the result tables, the quality checks" in words
    assert made_up.store.get_json(made_up.run.summary)["failures"][0]["task"] == "start_scorer"
    assert made_up.store.get(made_up.run.plot("task_timings"))


def test_a_run_of_which_nothing_is_left_still_has_a_report() -> None:
    made_up = MadeUpRun(batches=8)
    made_up.store.objects.clear()
    assert publish(made_up.run, made_up.store).outcome == "failed"
    assert "The run was not reconciled" in Page(report(made_up)).words


def test_unexplained_rows_are_shown_where_they_are(made_up: MadeUpRun) -> None:
    ledger = made_up.store.get_json(made_up.run.ledger)
    ledger |= {"outcome": "failed", "unexplained": 2, "problem": "2 rows of batch 3 are nowhere"}
    ledger["batches"][3]["unexplained"] = 2
    ledger["checks"][0] |= {"right": 7, "equal": False}
    made_up.store.put_json(made_up.run.ledger, ledger)
    assert publish(made_up.run, made_up.store).outcome == "failed"
    assert "The ledger says: 2 rows of batch 3 are nowhere." in Page(report(made_up)).words
    assert "2 rows are unexplained" in Page(report(made_up)).words
    assert 'class="wrong"' in report(made_up)
    assert "Counts that differ" in report(made_up)


@pytest.mark.parametrize(("said", "share"), [({"warn_rejected_share": 0.2}, 0.25), ({}, 0.0501)])
def test_more_rejected_rows_than_the_run_allows_are_a_warning_that_every_reader_is_told(
    made_up: MadeUpRun, said: dict[str, float], share: float
) -> None:
    ledger, sentence = made_up.store.get_json(made_up.run.ledger), "5 of 20 rows of browsing were rejected"
    ledger["set_aside"]["browsing"] = {"rows": 5, "share": share, "sentence": sentence}
    ledger["set_aside"]["transactions"] = {"rows": 1, "share": 0.05, "sentence": "few of transactions"}
    made_up.store.put_json(made_up.run.ledger, ledger)
    made_up.store.put_json(made_up.run.parameters, {"speed": 10, **said})
    verdict = publish(made_up.run, made_up.store)
    summary = made_up.store.get_json(made_up.run.summary)
    assert verdict.outcome == summary["outcome"] == "warning"
    assert summary["failures"] == []
    (warning,) = summary["warnings"]
    assert warning == f"More than {20 if said else 5} % is worth a look at the dataset: {sentence}."
    words = Page(report(made_up)).words
    assert words.index("and many were rejected") < words.index(warning) < words.index("What was sent")
    assert '<body class="warning">' in report(made_up)


def test_a_larger_share_may_be_allowed_and_a_failure_outweighs_a_warning(made_up: MadeUpRun) -> None:
    ledger = made_up.store.get_json(made_up.run.ledger)
    rejected = sum(ledger["totals"]["transactions"][name] for name in ("malformed", "late", "unscorable"))
    assert ledger["set_aside"]["transactions"]["rows"] > rejected > 20
    made_up.store.put_json(made_up.run.parameters, {"warn_rejected_share": 1})
    assert publish(made_up.run, made_up.store).outcome == "success"
    made_up.store.put_json(made_up.run.parameters, {"warn_rejected_share": 0})
    assert publish(made_up.run, made_up.store).outcome == "warning"
    put_tasks(made_up, until="plot", error="the store was away")
    assert publish(made_up.run, made_up.store).outcome == "failed"


def test_a_critical_expectation_fails_the_run(made_up: MadeUpRun) -> None:
    checks = quality()
    checks[1]["success"] = False
    made_up.store.put_json(made_up.run.quality / "results.json", checks)
    verdict = publish(made_up.run, made_up.store)
    assert [failure.sentence for failure in verdict.failures] == [
        "1 critical expectation failed: see quality."
    ]


def test_the_task_that_publishes_is_no_cause_of_a_failure(made_up: MadeUpRun) -> None:
    record = made_up.store.get_json(made_up.run.task("plot"))
    made_up.store.put_json(
        made_up.run.task("publish_report"), {**record, "task": "publish_report", "outcome": "failed"}
    )
    assert publish(made_up.run, made_up.store).outcome == "success"


def test_a_run_without_a_model_has_no_model_section(made_up: MadeUpRun) -> None:
    assert "model" in Page(report(made_up)).ids
    made_up.store.delete(made_up.run.task("ensure_model"))
    publish(made_up.run, made_up.store)
    page = Page(report(made_up))
    assert "model" not in page.ids
    assert "#model" not in page.anchors


def test_the_card_shows_threshold_metrics_and_confusion(good: MadeUpRun) -> None:
    words = Page(report(good)).words
    rule = f"from a probability of {THRESHOLD} on, as the model's card says (the largest F1"
    for shown in (
        VERSION,
        rule,
        "own rule: the class with the largest probability.",
        "0.7134",
        "14,012",
        "L1_ratio",
        "gradient-boosted trees",
    ):
        assert shown in words


@pytest.mark.parametrize(
    ("rule", "threshold", "sentence"),
    [
        ("param", 0.25, "A transaction is called fraud from a probability of 0.25 on, as the run asks."),
        ("model", None, "A transaction is called fraud where the model's own prediction says so."),
    ],
)
def test_the_rule_that_decides_is_shown_beside_the_models_own(
    made_up: MadeUpRun, rule: str, threshold: float | None, sentence: str
) -> None:
    record = made_up.store.get_json(made_up.run.task("ensure_model"))
    decided = {"rule": rule, "threshold": threshold, "own_rule": {"threshold": 0.1}}
    made_up.store.put_json(
        made_up.run.task("ensure_model"), {**record, "result": {**record["result"], **decided}}
    )
    plot(made_up.run, made_up.store)
    publish(made_up.run, made_up.store)
    own = "The model's own rule: class 1 where its probability is above 0.1."
    assert f"{sentence} {own} Numpy gave the scores, proven to be those of" in Page(report(made_up)).words
    told = made_up.store.get_json(made_up.run.summary)["model"]
    assert {name: told[name] for name in decided} == decided


def test_the_cards_own_words_leave_out_what_is_empty_but_no_threshold_of_nought(made_up: MadeUpRun) -> None:
    key = ModelKeys("ecommerce_fraud").card(VERSION)
    empty = {"threshold": 0.0, "own_rule": {}, "features": [], "label": "", "fraud_share": {}}
    made_up.store.put_json(key, made_up.store.get_json(key) | empty)
    publish(made_up.run, made_up.store)
    words = Page(report(made_up)).words
    assert "threshold0.0" in words
    assert "own_rulethe class with the largest probability" in words
    assert "fraud_share" not in words


def test_an_external_model_without_metrics_is_said_to_have_none(made_up: MadeUpRun) -> None:
    for key in [key for key in made_up.store.objects if key.endswith("card.json")]:
        del made_up.store.objects[key]
    publish(made_up.run, made_up.store)
    assert "Its card holds no metrics" in Page(report(made_up)).words


def test_a_table_without_rows_is_not_plotted() -> None:
    made_up = MadeUpRun(batches=8)
    figures = {"fraud_windows", "sold_quantity", "top_products", "top_categories"}
    for key in made_up.store.list(made_up.run.stream.commits):
        record = made_up.store.get_json(key)
        made_up.store.put_json(key, record | {"files": sorted({*record["files"]} - figures)})
    reconcile_made_up(made_up)
    assert set(plot(made_up.run, made_up.store)) == {"probabilities", "ledger", "latency", "micro_batches"}
    publish(made_up.run, made_up.store)
    assert (
        "Not drawn, for lack of data: Successful payments, Frauds, Sold quantity"
        in Page(report(made_up)).words
    )
