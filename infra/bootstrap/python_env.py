"""The project's virtual environment: a pinned installer in the cache, then exactly what the lock file says."""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from infra.bootstrap import cache
from infra.bootstrap.processes import SetupFailed, output, run, say

UV_LOCK = Path("infra/bootstrap/uv.lock")
BUILD_LOCK = Path("infra/bootstrap/build-constraints.lock")
REQUIREMENTS = Path("requirements.lock")
_SUPPORTED = ((3, 11), (3, 12))
_NETWORK = "check the network and the package index that pip is configured for, then run `make setup` again"


def check_python() -> None:
    """Raise SetupFailed unless this is a Python that the lock file covers."""
    if sys.version_info[:2] not in _SUPPORTED:
        found = ".".join(map(str, sys.version_info[:3]))
        raise SetupFailed(
            f"python3 on the PATH is {found}, but 3.11 or 3.12 is needed: install one and put it first on the "
            "PATH, or name it with `make PYTHON=/path/to/python3.12 setup`"
        )


def install(checkout: Path) -> Path:
    """Make or mend `.venv` in the checkout and install the project into it; returns its Python."""
    uv = _uv(checkout)
    env = {**os.environ, **_index_of_pip(uv), "UV_CACHE_DIR": str(cache.cache_root() / "uv")}
    venv = checkout / ".venv"
    python = venv / "bin" / "python"
    if _version(python) != _version(Path(sys.executable)):
        run([uv, "venv", "--clear", "--no-config", "--python", sys.executable, venv],
            "remove .venv and try again", env)
    say("installing Python packages (about 1.6 GB on the first time)")
    run(
        [uv, "pip", "sync", "--no-config", "--python", python, "--require-hashes",
         "--build-constraints", checkout / BUILD_LOCK, checkout / REQUIREMENTS],
        _NETWORK, env,
    )  # fmt: skip
    run(
        [uv, "pip", "install", "--no-config", "--quiet", "--python", python, "--no-deps", "--no-build-isolation",
         "--editable", checkout],
        _NETWORK, env,
    )  # fmt: skip
    return python


def _uv(checkout: Path) -> Path:
    """The pinned uv, installed once per Python into the cache."""
    lock = checkout / UV_LOCK
    version = re.search(r"^uv==(\S+)", lock.read_text(), re.MULTILINE)
    if version is None:
        raise SetupFailed(f"{lock} names no version of uv: run `git checkout {UV_LOCK}`")

    def make(folder: Path) -> None:
        say(f"installing uv {version[1]} into the cache")
        run([sys.executable, "-m", "venv", folder],
            "this Python has no venv module; on Debian: apt-get install python3-venv")
        run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--require-hashes", "-r", lock], _NETWORK)

    tag = f"uv-{version[1]}-py{sys.version_info[0]}{sys.version_info[1]}"
    return cache.entry(cache.cache_root(), f"tools/{tag}", make, say) / "bin" / "uv"


def _index_of_pip(uv: Path) -> Mapping[str, str]:
    """uv's settings for the package index and certificates that the user has configured for pip."""
    # A venv that was renamed has scripts with a stale first line; `python -m pip` and uv's binary do not mind.
    settings = output([uv.parent / "python", "-m", "pip", "config", "list"]) or ""
    found = dict(re.findall(r"^[\w:]+\.([\w-]+)='(.*)'$", settings, re.MULTILINE))
    wanted = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "cert": "SSL_CERT_FILE"}
    return {variable: found[key] for key, variable in wanted.items()
            if key in found and variable not in os.environ}  # fmt: skip


def _version(python: Path) -> str | None:
    return output([python, "-c", "import sys; print(sys.version, sys.base_prefix)"])
