"""Another version's checkout: a git worktree with an environment of its own, kept for the next time."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from infra.bootstrap.cache import cache_root
from streamweir.errors import BadConfiguration, RunFailed

_END = 2000


def checkout_of(repository: Path, ref: str, say: Callable[[str], None]) -> Path:
    """A worktree of a git reference in the shared cache, with its own environment, made when it is not there.

    Raises BadConfiguration when git does not know the reference.
    """
    git = ["git", "-C", str(repository)]
    found = subprocess.run(
        [*git, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        raise BadConfiguration(f"git knows no commit {ref!r} here: give BASE a commit, a branch or a tag")
    commit = found.stdout.strip()
    folder = cache_root() / "bench" / commit[:12]
    if not (folder / "Makefile").exists():
        say(f"checking out {commit[:12]} into {folder}")
        subprocess.run([*git, "worktree", "prune"], check=True)
        subprocess.run([*git, "worktree", "add", "--quiet", "--detach", str(folder), commit], check=True)
    say(f"setting up {commit[:12]}")
    set_up = subprocess.run(
        ["make", "setup", f"PYTHON={sys.executable}"], cwd=folder, capture_output=True, text=True, check=False
    )
    if set_up.returncode:
        raise RunFailed(f"`make setup` in {folder} ended with {set_up.returncode}:\n{set_up.stderr[-_END:]}")
    return folder
