"""`streamweir`: what it lists, shows and opens, as text and as JSON; how it ends; what it never reads."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from streamweir import errors
from streamweir.__main__ import EXIT_CODES, program
from streamweir.commands import common, rejected, report
from streamweir.commands import status as status_command
from streamweir.contracts.models import ModelKeys
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import ObjectKey, Stream, stream_id_of
from streamweir.datasets.dataset import Dataset, DatasetFile
from streamweir.models.card import Card
from streamweir.replay.position import Position
from streamweir.scorer import health
from streamweir.scorer.status import State, Status, timestamp, write
from tests.support.made_up_bundle import made_up_bundle
from tests.support.made_up_run import MadeUpRun
from tests.support.memory_store import MemoryStore

DOCS = Path(__file__).parents[3] / "docs" / "command-line.md"
PROD = Stream("card_fraud", "prod")


class Store(MemoryStore):
    """Counts the objects that are read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[str] = []

    def get(self, key: ObjectKey, *, at_most: int | None = None) -> bytes | None:
        self.reads.append(str(key))
        return super().get(key, at_most=at_most)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    """What every command takes for the object store."""
    made = Store()
    monkeypatch.setattr(common, "ObjectStore", lambda _: made)
    for name in ("ENDPOINT", "ACCESS_KEY", "SECRET_KEY"):
        monkeypatch.setenv(f"STREAMWEIR_STORE_{name}", "somewhere")
    monkeypatch.setenv("STREAMWEIR_KAFKA_BOOTSTRAP", "nowhere:1")
    return made


def said(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(program(), words)
    assert result.exit_code == code, (result.output, result.exception)
    return result.stdout


def told(*words: str, code: int = 0) -> Any:
    return json.loads(said(*words, "--json", code=code))


def refused(*words: str) -> errors.StreamweirError:
    error = CliRunner().invoke(program(), words).exception
    assert isinstance(error, errors.StreamweirError)
    return error


def put_status(store: MemoryStore, stream: Stream, state: State, **more: Any) -> None:
    at = [timestamp()] * 3
    write(store, stream, Status(str(stream), "scorer-1", "holder", state, *at, **more))  # type: ignore[arg-type]


def put_summary(store: MemoryStore, pipeline: str, stream: str, run: str, outcome: str = "success") -> None:
    summary = {
        "run": run,
        "stream": stream,
        "outcome": outcome,
        "seconds": 61.5,
        "replay": {"rows": 12_345},
        "tasks": {"replay": {"started_at": "2026-01-02T00:00:05+00:00"}},
    }
    store.put_json(Run(Stream(pipeline, stream), run).summary, summary)


def test_streams_are_listed_with_what_their_scorers_said_last(store: Store) -> None:
    put_status(store, PROD, State.RUNNING, next_sequence=1_234, model_version="m-1")
    store.put_json(Stream("ecommerce_fraud", "new").origin, {"run": "r", "isolated": True})
    rows = told("streams", "list")
    assert [(row["stream"], row["state"], row["next_sequence"]) for row in rows] == [
        ("card_fraud.prod", "running", 1_234),
        ("ecommerce_fraud.new", None, None),
    ]
    assert [row["stream"] for row in told("streams", "list", "--pipeline", "card_fraud")] == [str(PROD)]
    text = said("streams", "list").splitlines()
    assert text[0].split()[:3] == ["stream", "state", "next_sequence"]
    assert text[1].split()[:3] == ["card_fraud.prod", "running", "1,234"]


def test_a_listing_of_streams_reads_nothing_that_grows_with_their_age(store: Store) -> None:
    put_status(store, PROD, State.RUNNING)
    for number in range(50):
        store.put_json(PROD.commit(number), {})
        store.put(PROD.table_file("alerts", number), b"")
    told("streams", "list")
    assert store.reads == [str(PROD.status)]


def test_a_stream_is_shown_with_its_origin_its_newest_run_and_its_status(store: Store) -> None:
    store.put_json(PROD.origin, {"run": "first", "isolated": False, "made_at": "2026-01-01"})
    store.put_json(PROD.newest_run, {"run": "last"})
    put_status(store, PROD, State.FAILED, error="the disk is full", max_ts=1_700_000_000)
    shown = told("streams", "show", "prod", "--pipeline", "card_fraud")
    assert (shown["origin"]["run"], shown["newest_run"]["run"]) == ("first", "last")
    assert shown["status"]["error"] == "the disk is full"
    text = said("streams", "show", "prod", "--pipeline", "card_fraud")
    assert "1700000000" in text
    assert [line.split()[-1] for line in text.splitlines() if line.startswith("origin.run")] == ["first"]
    assert "no stream card_fraud.other" in str(
        refused("streams", "show", "other", "--pipeline", "card_fraud")
    )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, store: Store) -> Callable[[Stream], None]:
    """Time that passes only while somebody waits; a stream that was named says something then."""
    now, alive = [0.0], list[Stream]()

    def pause(seconds: float) -> None:
        now[0] += seconds
        for stream in alive:
            put_status(store, stream, State.RUNNING, next_sequence=7, rows=int(now[0]))

    monkeypatch.setattr(health, "_pause", pause)
    monkeypatch.setattr(health, "_clock", lambda: now[0])
    monkeypatch.setattr(
        status_command,
        "position",
        lambda *_: Position(next_sequence=10, last=None, largest_ts=None, offsets={}),
    )
    return alive.append


def test_status_says_of_each_scorer_how_it_is_and_how_far_behind(
    store: Store, clock: Callable[[Stream], None]
) -> None:
    put_status(store, PROD, State.RUNNING, next_sequence=7)
    put_status(store, Stream("card_fraud", "past"), State.STOPPED)
    clock(PROD)
    assert [(row["stream"], row["scorer"], row["behind"]) for row in told("status")] == [
        ("card_fraud.prod", "working", 3)
    ]
    assert told("status", "past", "--pipeline", "card_fraud")[0]["scorer"] == "stopped"
    assert told("status", "never", "--pipeline", "card_fraud")[0]["scorer"] == "never started"
    assert said("status", "prod", "--pipeline", "card_fraud").splitlines()[1].split()[:5] == [
        "card_fraud.prod", "working", "running", "-", "3"
    ]  # fmt: skip


@pytest.mark.parametrize(("state", "word"), [(State.FAILED, "failed"), (State.RUNNING, "silent")])
def test_status_ends_with_1_when_a_scorer_has_failed_or_is_silent(
    store: Store, clock: Callable[[Stream], None], state: State, word: str
) -> None:
    put_status(store, PROD, state, error="no room", doing="starting Spark")
    (row,) = told("status", code=1)
    assert (row["scorer"], row["behind"], row["doing"]) == (word, None, "starting Spark")


def test_nothing_at_work_is_no_fault(store: Store) -> None:
    assert said("status") == "no scorer is at work\n"
    assert told("status") == []


def test_the_newest_runs_come_first_whatever_stream_they_are_on(store: Store) -> None:
    for day in range(1, 31):
        run = f"manual__2026-01-{day:02}T08:00:00.000001+00:00"
        put_summary(store, "card_fraud", stream_id_of(run), run)
    put_summary(store, "card_fraud", "prod", "scheduled__2026-01-29T12:00:00+00:00", "failed")
    store.put_json(Run(PROD, "manual__2026-02-01T00:00:00+00:00").plan, {"run": "under way"})
    store.reads.clear()
    rows = told("runs", "list", "--pipeline", "card_fraud", "--most", "4")
    assert [(row["run"][:21], row["outcome"]) for row in rows] == [
        ("under way", "no report yet"),
        ("manual__2026-01-30T08", "success"),
        ("scheduled__2026-01-29", "failed"),
        ("manual__2026-01-29T08", "success"),
    ]
    assert len(store.reads) <= 2 * 4, "of 32 runs only those that are shown are read"
    assert (rows[1]["rows"], rows[1]["seconds"]) == (12_345, 61.5)
    of_prod = told("runs", "list", "--pipeline", "card_fraud", "--stream", "prod")
    assert [row["stream"] for row in of_prod] == ["prod", "prod"]
    assert "12,345" in said("runs", "list", "--pipeline", "card_fraud")


def test_a_run_is_shown_task_by_task_and_its_report_in_numbers(store: Store) -> None:
    made_up = made_up_bundle(batches=30)
    store.objects = made_up.store.objects
    run = made_up.run
    names = [run.id, "--stream", run.stream.id]
    shown = told("runs", "show", *names)
    assert [task["task"] for task in shown["tasks"]][:2] == ["provision_topics", "ensure_dataset"]
    assert shown["parameters"]["speed"] == 10
    assert "await_drained" in said("runs", "show", *names)
    assert "has left nothing" in str(refused("report", "show", *names))
    put_summary(store, "ecommerce_fraud", run.stream.id, run.id)
    assert told("report", "show", *names)["replay"]["rows"] == 12_345
    lines = dict(line.split(maxsplit=1) for line in said("report", "show", *names).splitlines())
    assert lines["replay.rows"].strip() == "12345"


@pytest.mark.parametrize("words", [["runs", "show"], ["report", "show"], ["report", "open"]])
def test_a_run_without_a_bundle_is_refused_with_the_way_to_find_it(store: Store, words: list[str]) -> None:
    error = refused(*words, "nothing")
    assert "run nothing has left nothing" in str(error)
    assert "streamweir runs list" in str(error)
    assert error.exit_code == 2


def test_a_report_is_fetched_and_opened(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = Run(Stream("ecommerce_fraud", stream_id_of("mine")), "mine")
    store.put(run.report, b"<html>")
    opened: list[str] = []
    monkeypatch.setattr(report.typer, "launch", opened.append)
    monkeypatch.setenv("STREAMWEIR_WORK", str(tmp_path))
    file = said("report", "open", "mine").strip()
    assert Path(file).read_bytes() == b"<html>"
    assert opened == [file]
    assert told("report", "open", "mine", "--to", str(tmp_path / "a" / "r.html"))["object"] == str(run.report)
    assert (tmp_path / "a" / "r.html").read_bytes() == b"<html>"
    assert opened == [file], "with --to it is only written"


def test_models_are_listed_shown_and_promoted(store: Store) -> None:
    keys = ModelKeys("card_fraud")
    for version in ("20260101T000000Z-a", "20260102T000000Z-b", "20260103T000000Z-c"):
        card = Card(
            source="trained", version=version, features=("a",), algorithm="GBT", metrics={"pr_auc": 0.91234}
        )
        store.put_json(keys.card(version), card.to_json())
    named = ["--pipeline", "card_fraud"]
    assert "is the champion" in said("model", "promote", "20260102T000000Z-b", *named)
    rows = told("model", "list", *named)
    assert [(row["version"][-1], row["champion"]) for row in rows] == [
        ("a", False),
        ("b", True),
        ("c", False),
    ]
    assert rows[0]["pr_auc"] == 0.9123
    store.reads.clear()
    assert [row["version"][-1] for row in told("model", "list", "--most", "2", *named)] == ["b", "c"]
    assert len(store.reads) == 2 + 1, "the cards that are shown, and the champion"
    shown = told("model", "show", "20260102T000000Z-b", *named)
    assert (shown["card"]["algorithm"], shown["decision"]["reason"]) == ("GBT", "promoted by hand")
    assert "promoted by hand" in said("model", "show", "20260102T000000Z-b", *named)
    assert refused("model", "show", "nope", *named).exit_code == 3


def test_datasets_are_listed_and_shown(store: Store) -> None:
    file = DatasetFile("transactions.csv", "a" * 64, 2_000, 70, history=False)
    dataset = Dataset("card_fraud", (file,), "/data/cards")
    store.put_json(dataset.root / "dataset.json", dataset.to_json())
    store.put(dataset.root / file.name, b"")
    store.put_json(ObjectKey("datasets", "card_fraud/generated/x.json"), {})
    (row,) = told("dataset", "list", "--pipeline", "card_fraud")
    assert (row["source"], row["rows"], row["history"]) == ("/data/cards", 70, False)
    shown = told("dataset", "show", row["fingerprint"], "--pipeline", "card_fraud")
    assert shown["fingerprint"] == dataset.fingerprint
    assert "transactions.csv" in said("dataset", "show", row["fingerprint"], "--pipeline", "card_fraud")
    assert refused("dataset", "show", "0" * 8, "--pipeline", "card_fraud").exit_code == 2


def test_rejected_records_are_listed_and_shown(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up = MadeUpRun(batches=60)
    store.objects = made_up.store.objects
    monkeypatch.setattr(rejected, "places_put_back", lambda *_: set())
    monkeypatch.setattr(rejected, "messages_at", lambda *_: {})
    named = ["--stream", made_up.run.stream.id]
    rows = told("rejected", "list", *named)
    counted = Counter[str]()
    for row in rows:
        counted[row["reason"]] += row["records"]
    assert counted == {reason: made_up.counts[reason] for reason in counted}
    assert counted.keys() == {"late", "malformed", "unscorable", "duplicate"}
    assert "transactions/1/3/0" in said("rejected", "list", *named)
    one = next(row for row in rows if row["reason"] == "unscorable")
    shown = told("rejected", "show", one["for_example"], *named)
    assert (shown["reason"], shown["put_back"], shown["ts"]) == ("unscorable", False, None)
    assert "customer '<b>x</b>' is unknown" in said("rejected", "show", one["for_example"], *named)
    assert "no reason" in str(refused("rejected", "redrive", "--reason", "nonsense", *named))


def test_what_was_written_by_others_cannot_steer_a_terminal(store: Store) -> None:
    put_status(store, PROD, State.FAILED, error="\x1b[2Jgone\nexit [red]")
    for words in (["streams", "list"], ["streams", "show", "prod", "--pipeline", "card_fraud"]):
        text = said(*words)
        assert "\x1b" not in text
        assert r"\x1b[2Jgone\nexit [red]" in text


def commands(app: Any) -> list[str]:
    nouns = {group.name: group.typer_instance.registered_commands for group in app.registered_groups}
    return [
        *(command.callback.__name__ for command in app.registered_commands),
        *(f"{noun} {one.name or one.callback.__name__}" for noun, some in nouns.items() for one in some),
    ]


@pytest.mark.parametrize("command", commands(program()))
def test_each_command_explains_itself_takes_json_and_is_in_the_docs(command: str) -> None:
    text = said(*command.split(), "--help")
    assert "--json" in text
    assert f"`streamweir {command}" in DOCS.read_text()


def test_the_exit_codes_of_all_errors_are_explained() -> None:
    codes = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.StreamweirError)
    }
    assert len(codes) > 4
    for code in sorted({0, *codes}):
        assert f"; {code} " in f"; {EXIT_CODES.removeprefix('Exit status: ')}"
        assert f"| {code} |" in DOCS.read_text()
