"""Running the installers of others: their progress is shown, their failure becomes one sentence."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_running: set[subprocess.Popen[str]] = set()
_guard = threading.Lock()
_TAIL = 15


class SetupFailed(Exception):
    """Set-up cannot go on; the message says what failed and what to do."""


def say(text: str) -> None:
    """One line of progress."""
    print(f"setup: {text}", flush=True)


def run(
    argv: Sequence[str | Path], remedy: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> None:
    """Run a program with its output shown; raises SetupFailed with the remedy when it fails."""
    with _started(argv, remedy, env, cwd, None) as process:
        _check(process, argv, remedy)


def run_counted(
    argv: Sequence[str | Path],
    remedy: str,
    *,
    what: str,
    each: str,
    step: int,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run a talkative program: its output lines that contain `each` are counted, said every `step`.

    When it fails its last lines are shown; raises SetupFailed with the remedy.
    """
    tail: list[str] = []
    count = 0
    with _started(argv, remedy, env, None, subprocess.PIPE) as process:
        for line in process.stdout or ():
            tail = [*tail[1 - _TAIL :], line]
            if each in line:
                count += 1
                if count % step == 0:
                    say(f"{what}: {count}")
        try:
            _check(process, argv, remedy)
        except SetupFailed:
            sys.stderr.write("".join(tail))
            raise


def output(argv: Sequence[str | Path], env: Mapping[str, str] | None = None) -> str | None:
    """A program's output (errors included), or None when it is not there or fails."""
    try:
        done = subprocess.run(
            [str(word) for word in argv], env=env, capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout + done.stderr


def end_all() -> None:
    """End the programs that still run, because another part of set-up has failed."""
    with _guard:
        for process in _running:
            process.terminate()


@contextmanager
def _started(
    argv: Sequence[str | Path],
    remedy: str,
    env: Mapping[str, str] | None,
    cwd: Path | None,
    stdout: int | None,
) -> Iterator[subprocess.Popen[str]]:
    words = [str(word) for word in argv]
    errors = subprocess.STDOUT if stdout else None
    try:
        process = subprocess.Popen(
            words, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=stdout, stderr=errors, text=True
        )
    except OSError as error:
        raise SetupFailed(f"{words[0]} cannot be started ({error.strerror}): {remedy}") from error
    with _guard:
        _running.add(process)
    try:
        with process:
            yield process
    finally:
        with _guard:
            _running.discard(process)


def _check(process: subprocess.Popen[str], argv: Sequence[str | Path], remedy: str) -> None:
    status = process.wait()
    if status:
        raise SetupFailed(f"{Path(str(argv[0])).name} failed with status {status}: {remedy}")
