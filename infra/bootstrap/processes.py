"""Running the installers of others: their progress is shown, their failure becomes one sentence."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


class SetupFailed(Exception):
    """Set-up cannot go on; the message says what failed and what to do."""


def say(text: str) -> None:
    """One line of progress."""
    print(f"setup: {text}", flush=True)


def run(
    argv: Sequence[str | Path], remedy: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> None:
    """Run a program with its output shown; raises SetupFailed with the remedy when it fails."""
    try:
        subprocess.run([str(word) for word in argv], env=env, cwd=cwd, check=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetupFailed(f"{Path(str(argv[0])).name} failed ({_reason(error)}): {remedy}") from error


def output(argv: Sequence[str | Path], env: Mapping[str, str] | None = None) -> str | None:
    """A program's output (errors included), or None when it is not there or fails."""
    try:
        done = subprocess.run(
            [str(word) for word in argv], env=env, capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout + done.stderr


def _reason(error: OSError | subprocess.CalledProcessError) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return f"exit status {error.returncode}"
    return error.strerror or "it cannot be started"


def fail(error: SetupFailed) -> int:
    """Print a failure as one sentence; returns the exit status."""
    print(f"setup failed: {error}", file=sys.stderr)
    return 1
