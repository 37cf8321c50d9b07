"""The demo without a stack: what it asks of Airflow, what it shows, what it brings home."""

import io
import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
from rich.console import Console

from infra.demo import watch
from infra.demo.airflow_api import AirflowApi, TaskState
from infra.demo.command import _local
from infra.demo.outcome import _totals, bring_home, print_outcome
from infra.demo.watch import Watch
from infra.processes import Peak
from streamweir.contracts.runs import Run
from streamweir.contracts.streams import ObjectKey, Stream
from streamweir.errors import BadConfiguration, DependencyUnreachable
from streamweir.objectstore import to_json
from tests.support.memory_store import MemoryStore

RUN = Run(Stream("ecommerce_fraud", "s"), "demo__1")
Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], AirflowApi]:
    real = httpx.Client

    def make(answer: Answer) -> AirflowApi:
        transport = httpx.MockTransport(answer)
        monkeypatch.setattr(httpx, "Client", lambda timeout: real(transport=transport, timeout=timeout))
        return AirflowApi("http://airflow", "admin", "hidden")

    return make


def test_a_run_is_triggered_with_a_token_and_the_dag_unpaused(
    airflow: Callable[[Answer], AirflowApi],
) -> None:
    asked: list[tuple[str, str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/token":
            assert json.loads(request.content) == {"username": "admin", "password": "hidden"}
            return httpx.Response(201, json={"access_token": "t"})
        if request.headers.get("Authorization") != "Bearer t":
            return httpx.Response(401)
        asked.append((request.method, request.url.path, json.loads(request.content)))
        return httpx.Response(200, json={})

    airflow(answer).trigger("a_dag", "a_run", {"speed": 0})
    assert asked == [
        ("PATCH", "/api/v2/dags/a_dag", {"is_paused": False}),
        (
            "POST",
            "/api/v2/dags/a_dag/dagRuns",
            {"dag_run_id": "a_run", "logical_date": None, "conf": {"speed": 0}},
        ),
    ]


@pytest.mark.parametrize(
    ("response", "kind", "words"),
    [
        (httpx.Response(422, json={"detail": "speed is wrong"}), BadConfiguration, "speed is wrong"),
        (httpx.Response(503, text="later"), DependencyUnreachable, "answered 503"),
    ],
)
def test_what_airflow_refuses_and_what_it_cannot_do_now_are_told_apart(
    airflow: Callable[[Answer], AirflowApi], response: httpx.Response, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        airflow(lambda request: response).run_state("a_dag", "a_run")


def test_an_airflow_that_is_away_is_named_with_what_to_do(airflow: Callable[[Answer], AirflowApi]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(DependencyUnreachable, match="make status"):
        airflow(answer).run_state("a_dag", "a_run")


class FakeAirflow:
    """Airflow as one look after the other; an exception is a look that fails."""

    def __init__(self, *looks: tuple[str, list[TaskState]] | Exception) -> None:
        self._looks = list(looks)

    def tasks(self, dag: str, run: str) -> list[TaskState]:
        look = self._looks.pop(0)
        if isinstance(look, Exception):
            raise look
        self._state, tasks = look
        return tasks

    def run_state(self, dag: str, run: str) -> str:
        return self._state

    def run_page(self, dag: str, run: str) -> str:
        return "http://airflow/run"


@pytest.fixture
def follow(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str, list[str]]]:
    monkeypatch.setattr(watch, "_LOOK_EVERY_S", 0)

    def follow(*looks: tuple[str, list[TaskState]] | Exception) -> tuple[str, list[str]]:
        shown = io.StringIO()
        console = Console(file=shown, highlight=False, soft_wrap=True)
        state = Watch(FakeAirflow(*looks), MemoryStore(), RUN, console).to_the_end()  # type: ignore[arg-type]
        return state, shown.getvalue().splitlines()

    return follow


def replay(state: str, seconds: float | None = None) -> list[TaskState]:
    return [TaskState("replay", state, seconds, 1)]


def test_without_a_terminal_each_change_of_a_task_is_one_line(
    follow: Callable[..., tuple[str, list[str]]],
) -> None:
    state, lines = follow(
        ("running", replay("waiting")),
        ("running", replay("running")),
        ("running", replay("running")),
        ("success", replay("success", 31.25)),
    )
    assert state == "success"
    assert lines == ["run demo__1: http://airflow/run", "replay: running", "replay: success 31.2 s"]


def test_an_airflow_that_is_away_for_a_moment_ends_nothing(
    follow: Callable[..., tuple[str, list[str]]],
) -> None:
    state, _ = follow(DependencyUnreachable("away"), ("failed", replay("failed", 1.0)))
    assert state == "failed"


class Store(MemoryStore):
    """With the call that only the demo makes."""

    def download_folder(self, prefix: ObjectKey, folder: Path) -> None:
        for key in self.list(prefix):
            path = folder / key.key.removeprefix(f"{prefix.key}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.objects[str(key)])


def test_the_bundle_at_home_is_this_runs_with_its_memory_and_nothing_of_the_run_before(
    tmp_path: Path,
) -> None:
    latest = tmp_path / "ecommerce_fraud" / "latest"
    latest.mkdir(parents=True)
    (latest / "of_another_run.txt").write_text("old")
    store = Store()
    store.put(RUN.parameters, to_json({"speed": 10}))
    bring_home(store, RUN, Peak(5, {"kafka": 5}), latest)  # type: ignore[arg-type]
    assert not (latest / "of_another_run.txt").exists()
    assert json.loads((latest / "memory.json").read_text())["peak_bytes"] == 5
    assert json.loads((latest / "summary.json").read_text())["memory"]["by_service"] == {"kafka": 5}
    assert (latest / "report.html").exists()
    assert list(latest.parent.iterdir()) == [latest]


def test_a_run_that_is_not_there_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="holds nothing of run demo__1"):
        bring_home(Store(), RUN, Peak(5, {}), tmp_path / "latest")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_warning_is_said_at_the_end_with_its_reason(tmp_path: Path) -> None:
    summary = {
        "outcome": "warning",
        "seconds": 61.7,
        "failures": [],
        "warnings": ["5 of 20 rows of [events] were rejected"],
        "unexplained": 0,
        "rows": {"events": {"produced": 20, "used": 15, "malformed": 5, "unexplained": 0}},
        "memory": {"peak_bytes": 1, "limit_bytes": 2, "by_service": {}},
    }
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    shown = io.StringIO()
    console = Console(file=shown, width=120, force_terminal=True, highlight=False)
    print_outcome(console, Mock(spec_set=("settings", "secrets", "layout")), tmp_path, page="http://run")
    assert "outcome: \x1b[33mwarning\x1b[0m after 62 s" in shown.getvalue()
    assert "  5 of 20 rows of [events] were rejected\n" in shown.getvalue()


def test_the_totals_fit_a_narrow_terminal() -> None:
    shown = io.StringIO()
    rows = {
        "browsing": {"produced": 60_000, "used": 60_000, "late": 0, "malformed": 0, "unexplained": 0},
        "transactions": {"produced": 5_785, "scored": 5_785, "late": 0, "unexplained": 0},
        "tables": {"predictions": 5_785},
    }
    Console(file=shown, width=80).print(_totals(rows))
    assert "60,000" in shown.getvalue()
    assert "unexplained" in shown.getvalue()
    assert "predictions" not in shown.getvalue()


def test_a_path_is_handed_on_whole_and_a_version_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    assert _local("dataset", "data") == str(tmp_path / "data")
    assert _local("model", "20260101T120000Z-0a1b2c3d") == "20260101T120000Z-0a1b2c3d"


@pytest.mark.parametrize("value", ["no/such/folder", "model.zip"])
def test_a_path_that_is_not_there_is_refused_before_anything_starts(value: str) -> None:
    with pytest.raises(BadConfiguration, match="is not there"):
        _local("dataset", value)


@pytest.mark.parametrize("path", ["/home/o'neill/data", "/a b/$HOME/c", '/"a"; echo & `b`', "/$(b)/#c"])
@pytest.mark.parametrize("name", ["DATASET", "MODEL", "THRESHOLD", "FRAUD_LABEL"])
def test_make_hands_a_path_on_whatever_characters_it_holds(name: str, path: str) -> None:
    assert handed_on("demo", f"{name}={path}", "SPEED=0") == [
        "--pipeline",
        "ecommerce_fraud",
        f"--{name.lower().replace('_', '-')}",
        path,
        "--speed",
        "0",
    ]


@pytest.mark.parametrize("name", ["o'neill", "a b", "'; echo `b`; '"])
def test_make_data_hands_the_pipeline_on_in_the_folder_too(name: str) -> None:
    assert handed_on("data", f"PIPELINE={name}") == ["--pipeline", name, "--folder", f"var/data/{name}"]


def handed_on(target: str, *variables: str) -> list[str]:
    """What a target of make gives the program that it starts, from the first option on."""
    shown = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", target, *variables],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    given = shlex.split(shown.stdout.replace("\\\n", " ").splitlines()[-1])
    return given[given.index("--pipeline") :]
