"""Child processes: their lines, their exit codes, their end."""

import os
import sys
import threading
from pathlib import Path

import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from streamweir.errors import (
    BadConfiguration,
    DependencyUnreachable,
    ModelUnusable,
    RunFailed,
    StreamHeld,
    StreamweirError,
)
from streamweir_airflow.processes import Child


class Lines:
    """A logger that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, text: str, *values: object) -> None:
        self.lines.append(text % values if values else text)


def run(code: str, **env: str) -> list[str]:
    log = Lines()
    Child("the check", log).run([sys.executable, "-c", code], {"PATH": os.environ["PATH"], **env})
    return log.lines


def test_the_lines_of_a_child_are_the_tasks_log() -> None:
    lines = run("import sys; print('one 100 %'); print('two', file=sys.stderr)")
    assert {"one 100 %", "two"} <= set(lines)


def test_a_child_sees_the_environment_that_it_is_given_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "secret")
    lines = run(
        "import os; print(sorted(name for name in os.environ if name in ('A', 'AIRFLOW__CORE__FERNET_KEY')))",
        A="b",
    )
    assert "['A']" in lines


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1, StreamweirError),
        (2, BadConfiguration),
        (3, ModelUnusable),
        (4, DependencyUnreachable),
        (5, StreamHeld),
        (6, RunFailed),
        (77, StreamweirError),
    ],
)
def test_an_exit_code_becomes_the_error_that_it_stands_for(code: int, kind: type[StreamweirError]) -> None:
    with pytest.raises(StreamweirError, match=r"^too bad$") as raised:
        run(f"import sys; print('error: a first one'); print('error: too bad'); sys.exit({code})")
    assert type(raised.value) is kind


def test_a_child_without_a_last_word_is_named_with_its_exit_code() -> None:
    with pytest.raises(StreamweirError, match="the check ended with exit code 9"):
        run("import sys; sys.exit(9)")


def test_a_child_that_is_killed_is_named_with_the_signal() -> None:
    with pytest.raises(StreamweirError, match="the check was killed by signal SIGKILL"):
        run("import os; os.kill(os.getpid(), 9)")


def test_ending_a_child_ends_its_children_too() -> None:
    log = Lines()
    child = Child("the check", log)
    code = (
        "import subprocess, sys; p = subprocess.Popen(['sleep', '100']); print(p.pid, flush=True); p.wait()"
    )
    failures: list[str] = []

    def work() -> None:
        try:
            child.run([sys.executable, "-c", code], {"PATH": os.environ["PATH"]})
        except StreamweirError as error:
            failures.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    _until(lambda: any(line.isdigit() for line in log.lines))
    grandchild = next(int(line) for line in log.lines if line.isdigit())
    child.end()
    thread.join(timeout=20)
    assert failures == ["the check was killed by signal SIGTERM"]
    _until(lambda: not _lives(grandchild))


def test_a_task_that_is_interrupted_takes_its_child_along(tmp_path: Path) -> None:
    survived = tmp_path / "survived"
    code = f"import time; print('ready', flush=True); time.sleep(10); open({str(survived)!r}, 'w')"

    class Interrupting(Lines):
        def info(self, text: str, *values: object) -> None:
            if text == "ready":
                raise TimeoutError("the task took too long")

    with pytest.raises(TimeoutError):
        Child("the check", Interrupting()).run([sys.executable, "-c", code], {"PATH": os.environ["PATH"]})
    # Back at once and not after the child's own end, and the child has ended.
    assert not survived.exists()


def _until(true: object) -> None:
    Retrying(
        retry=retry_if_result(lambda value: not value), stop=stop_after_delay(20), wait=wait_fixed(0.05)
    )(true)


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
