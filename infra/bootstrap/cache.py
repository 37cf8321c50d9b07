"""The user's cache folder, shared by all clones: versioned entries that appear whole or not at all."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def cache_root(env: Mapping[str, str] = os.environ) -> Path:
    """`STREAMWEIR_CACHE`, else `streamweir` in the XDG cache folder, else `~/.cache/streamweir`."""
    if env.get("STREAMWEIR_CACHE"):
        return Path(env["STREAMWEIR_CACHE"]).expanduser().absolute()
    base = env.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).expanduser().absolute() / "streamweir"


@contextmanager
def exclusive(lock_file: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock file while the block runs; waits, and says so, while another process holds it."""
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another set-up is at work on {lock_file.stem}; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def entry(root: Path, name: str, make: Callable[[Path], None], say: Callable[[str], None]) -> Path:
    """The cache entry `root/name`, made once by `make(folder)`.

    `make` fills a temporary folder that is renamed when it is complete, so an interrupted set-up leaves no
    half entry behind and two clones that set up at once do not meet.
    """
    final = root / name
    if final.is_dir():
        return final
    with exclusive(root / "locks" / f"{final.name}.lock", say):
        if final.is_dir():
            return final
        final.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
        try:
            make(folder)
            folder.chmod(0o755)
            folder.rename(final)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return final
