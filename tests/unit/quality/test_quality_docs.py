"""The docs load nothing, show what failed, and print what they were given as text."""

import json
import socket
import weakref
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import streamweir_quality.inputs
import streamweir_quality.model_again
import streamweir_quality.runner
from streamweir.connections import KafkaConnection, SparkConnection, StoreConnection
from streamweir.contracts.ecommerce_fraud import PIPELINE
from streamweir.contracts.models import ModelKeys
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import Stream
from streamweir.datasets.store import upload
from streamweir.errors import BadConfiguration, RunFailed
from streamweir.scorer.spec import Servers
from streamweir_quality.checks import Subject, all_equal
from streamweir_quality.docs import write_docs
from streamweir_quality.ecommerce_fraud import subjects
from streamweir_quality.ecommerce_fraud.predictions import predictions_subject, share_subjects
from streamweir_quality.inputs import Inputs
from streamweir_quality.publishing import inspect
from streamweir_quality.runner import validate
from tests.support.file_store import FileStore
from tests.unit.quality.made_up_inputs import VERSION, made_up_plan, scores_of, with_frame

EVIL = "<script>alert(1)</script><img src='http://evil.example/x.png'> $name"
RUN = Run(Stream("ecommerce_fraud", "s-1"), "manual__2026-01-02T03:04:05+00:00")
NOWHERE = Servers(KafkaConnection("127.0.0.1:1"), StoreConnection("127.0.0.1:1", "", ""), SparkConnection())
LOADING = {"src", "srcset", "data", "poster", "background", "action", "formaction"}


class References(HTMLParser):
    """What a browser would load or run."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in LOADING or name.startswith("on") or (name == "href" and tag != "a"):
                self.loaded.append(value or "")
            if name == "href" and tag == "a":
                self.links.append(value or "")


@pytest.fixture(scope="module")
def docs(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    frame = inputs.frame("predictions")
    frame.loc[0, "model_version"] = EVIL
    frame.loc[1, "payment_method"] = EVIL
    assert inputs.card is not None
    shares = {"payment_method": {EVIL: {"share": 0.5, "low": 0.4, "high": 0.6}}}
    bad = with_frame(replace(inputs, card=replace(inputs.card, category_shares=shares)), "predictions", frame)
    folder = tmp_path_factory.mktemp("quality") / "docs"
    differing = pd.DataFrame({"difference": [EVIL]})
    again = Subject("again", "top_products", differing, (all_equal("difference", "no row differs"),))
    found = validate([predictions_subject(bad), *share_subjects(bad), again])
    write_docs(found, folder, title="A & B", run="r<1>")
    return folder


def pages(folder: Path) -> dict[str, str]:
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.html")}
    assert len(found) > 1
    return found


def test_no_page_loads_or_runs_anything(docs: Path) -> None:
    for name, page in pages(docs).items():
        found = References(page)
        assert set(found.loaded) <= {"data:,"}, name
        assert not {"script", "img", "iframe", "object", "embed", "base", "form"} & set(found.tags), name
        assert "url(" not in page, name
        assert "@import" not in page, name
        assert "default-src 'none'; style-src 'unsafe-inline'" in page, name


def test_all_links_stay_in_the_folder_and_lead_somewhere(docs: Path) -> None:
    for name, page in pages(docs).items():
        links = [link for link in References(page).links if not link.startswith("#")]
        assert links, name
        assert all((docs / link).is_file() or link == "results.json" for link in links), (name, links)


def test_values_from_the_data_are_shown_as_text(docs: Path) -> None:
    page = pages(docs)["predictions.html"]
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 2
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in pages(docs)["again.html"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in pages(docs)["index.html"]
    assert "&amp;lt;" not in page
    assert "could not be evaluated" not in "".join(pages(docs).values())


def test_the_index_begins_with_what_failed(docs: Path) -> None:
    index = pages(docs)["index.html"]
    assert "2 critical expectations failed: the run&#39;s result must not be trusted" in index.replace(
        "'", "&#39;"
    )
    assert index.index("What failed") < index.index("model_version is the run") < index.index("All suites")
    assert "A &amp; B, run r&lt;1&gt;" in index


@pytest.fixture
def store(inputs: Inputs, monkeypatch: pytest.MonkeyPatch) -> FileStore:
    """A run's bundle; what Kafka holds of the run comes from memory too."""
    monkeypatch.setattr(streamweir_quality.inputs, "read_replayed", lambda *_: inputs.replayed)
    monkeypatch.setattr(
        streamweir_quality.model_again, "score_again", lambda _, rows, *__: scores_of(inputs, rows)
    )
    store = FileStore()
    store.put_json(RUN.parameters, dict(inputs.parameters))
    dataset = upload(store, PIPELINE.name, inputs.dataset, "made up")
    store.put_json(RUN.task("ensure_dataset"), {"result": dataset.to_json()})
    store.put_json(RUN.task("ensure_model"), {"result": {"version": VERSION}})
    assert inputs.card is not None
    store.put_json(ModelKeys(PIPELINE.name).card(VERSION), inputs.card.to_json())
    store.put_json(RUN.ledger, dict(inputs.ledger))
    store.put_json(RUN.plan, made_up_plan().to_json())
    for name, file in inputs.tables.items():
        store.put(RUN.table_file(name), file.read_bytes())
    return store


def results(store: FileStore) -> list[dict[str, Any]]:
    return json.loads(store.objects[str(RUN.quality / "results.json")])


def test_a_sound_run_is_published_and_summed_up(store: FileStore, tmp_path: Path) -> None:
    store.put(RUN.quality / "left-over.html", b"from an earlier try")
    sentence = inspect(store, NOWHERE, RUN, subjects, 200, tmp_path)
    assert "none failed; " in sentence
    assert store.exists(RUN.quality / "index.html")
    assert not store.exists(RUN.quality / "left-over.html")
    found = results(store)
    assert len(found) > 80
    (again,) = [one for one in found if one["suite"] == "the model again"]
    assert again["sentence"] == (
        "the model's own transform makes the same probability, fraud_probability, prediction: "
        "0 rows differ; compared: 200 of 396 rows (50.5 %, a seeded sample)"
    )
    assert set(found[0]) == {
        "suite", "table", "expectation", "column", "severity", "success", "observed", "sentence"
    }  # fmt: skip


def test_a_critical_failure_fails_after_the_docs_were_published(
    store: FileStore, inputs: Inputs, tmp_path: Path
) -> None:
    store.put_json(RUN.task("ensure_model"), {"result": {"version": "another"}})
    assert inputs.card is not None
    store.put_json(ModelKeys(PIPELINE.name).card("another"), inputs.card.to_json())
    with pytest.raises(
        RunFailed, match=r"1 critical expectation failed, .*model_version is the run's model"
    ) as caught:
        inspect(store, NOWHERE, RUN, subjects, 200, tmp_path)
    assert caught.value.exit_code == 6
    failed = [outcome for outcome in results(store) if not outcome["success"]]
    assert [(outcome["column"], outcome["severity"]) for outcome in failed] == [("model_version", "critical")]
    assert store.exists(RUN.quality / "index.html")


def test_a_failed_warning_fails_nothing(store: FileStore, inputs: Inputs, tmp_path: Path) -> None:
    assert inputs.card is not None
    card = replace(inputs.card, fraud_share={"low": 0.9, "high": 1.0})
    store.put_json(ModelKeys(PIPELINE.name).card(VERSION), card.to_json())
    assert inspect(store, NOWHERE, RUN, subjects, 200, tmp_path).endswith("1 failed")
    assert [outcome["severity"] for outcome in results(store) if not outcome["success"]] == ["warning"]


@pytest.mark.parametrize("missing", ["ledger.json", "predictions/data.parquet", "tasks/ensure_dataset.json"])
def test_a_run_that_did_not_get_so_far_is_told_so(store: FileStore, tmp_path: Path, missing: str) -> None:
    store.delete(RUN.bundle / missing)
    with pytest.raises(BadConfiguration, match="is missing"):
        inspect(store, NOWHERE, RUN, subjects, 200, tmp_path)


def test_nothing_is_sent_anywhere(inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[object] = []

    def refuse(self: socket.socket, address: object) -> None:
        tried.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *asked, **_: refuse(socket.socket(), asked))
    write_docs(validate(share_subjects(inputs)), tmp_path / "docs", title="t", run="r")
    assert (tmp_path / "docs" / "index.html").is_file()
    assert tried == []


def test_frames_keep_whole_numbers_whole(inputs: Inputs) -> None:
    largest = 2**63 - 1
    frame = inputs.frame("sold_quantity")
    frame["quantity_so_far"] = pd.Series([largest] * len(frame), dtype="int64")
    assert with_frame(inputs, "sold_quantity", frame).frame("sold_quantity").quantity_so_far.max() == largest


def test_a_stored_table_gives_the_same_results_however_many_of_its_columns_are_in_memory(
    inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = len(predictions_subject(inputs).expectations)
    (at_once,) = validate([predictions_subject(inputs)])
    monkeypatch.setattr(streamweir_quality.runner, "_ROWS_AT_ONCE", 1)
    (one_by_one,) = validate([predictions_subject(inputs)])
    assert one_by_one.outcomes == at_once.outcomes
    assert len(at_once.outcomes) == asked > 20
    assert one_by_one.result.statistics == at_once.result.statistics
    assert one_by_one.result.statistics["evaluated_expectations"] == asked


def test_a_stored_table_leaves_memory_column_by_column(
    inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames: list[weakref.ref[pd.DataFrame]] = []
    result = streamweir_quality.runner._result

    def noted(suite: str, frame: pd.DataFrame, checks: Any) -> Any:
        # Great Expectations itself still refers to the last one.
        assert sum(one() is not None for one in frames) <= 1
        frames.append(weakref.ref(frame))
        return result(suite, frame, checks)

    monkeypatch.setattr(streamweir_quality.runner, "_result", noted)
    monkeypatch.setattr(streamweir_quality.runner, "_ROWS_AT_ONCE", 1)
    subject = predictions_subject(inputs)
    validate([subject])
    assert len(frames) == len(subject.expectations) > 20
