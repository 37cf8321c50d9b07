"""The project's virtual environment: a pinned installer in the cache, then what the lock file says."""

import hashlib
import json
import os
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

from infra.bootstrap import cache
from infra.bootstrap.processes import SetupFailed, output, run, say

INSTALLER_LOCK = Path("infra/bootstrap/installer.lock")
BUILD_LOCK = Path("infra/bootstrap/build-constraints.lock")
REQUIREMENTS = Path("requirements.lock")
NETWORK = "check the network and the package index that pip is configured for, then run `make setup` again"
_INPUTS = (REQUIREMENTS, INSTALLER_LOCK, BUILD_LOCK)
_SUPPORTED = ((3, 11), (3, 12))


def check_python() -> None:
    """Raise SetupFailed unless this is a Python that the lock file covers."""
    if sys.version_info[:2] not in _SUPPORTED:
        found = ".".join(map(str, sys.version_info[:3]))
        raise SetupFailed(
            f"python3 on the PATH is {found}, but 3.11 or 3.12 is needed: install one and put it first on "
            "the PATH, or name it with `make setup PYTHON=/path/to/python3.12`"
        )


def install(checkout: Path) -> Path:
    """Make or mend `.venv` in the checkout and install the project into it; returns its Python.

    Packages are left alone when they are what the lock file says: others may be running from them.
    """
    venv = checkout / ".venv"
    python = venv / "bin" / "python"
    wanted = json.dumps({**inputs(checkout), "version": _version(Path(sys.executable))})
    record = venv / "streamweir-packages.json"
    if record.exists() and record.read_text() == wanted:
        return python
    uv, env = installer(checkout)
    if _version(python) != _version(Path(sys.executable)):
        new: list[str | Path] = [uv, "venv", "--quiet", "--clear", "--no-config"]
        run([*new, "--python", sys.executable, venv], "remove .venv and try again", env)
    say("installing Python packages (about 1.6 GB on the first time)")
    options: list[str | Path] = ["--no-config", "--python", python]
    locked: list[str | Path] = [
        "--require-hashes",
        "--build-constraints",
        checkout / BUILD_LOCK,
        checkout / REQUIREMENTS,
    ]
    run([uv, "pip", "sync", *options, *locked], NETWORK, env)
    editable: list[str | Path] = ["--quiet", "--no-deps", "--no-build-isolation", "--editable", checkout]
    run([uv, "pip", "install", *options, *editable], NETWORK, env)
    record.write_text(wanted)
    return python


def inputs(checkout: Path) -> dict[str, str]:
    """The SHA-256 of everything that shapes the virtual environment, and where it lies."""
    found = {str(name): hashlib.sha256((checkout / name).read_bytes()).hexdigest() for name in _INPUTS}
    # An editable install points at the folder: a moved checkout is set up again.
    return {**found, "package": _package(checkout), "checkout": str(checkout)}


def _package(checkout: Path) -> str:
    """What of pyproject.toml shapes the installation; the linters' options do not."""
    described = tomllib.loads((checkout / "pyproject.toml").read_text())
    parts = (described["build-system"], described["project"], described["tool"]["hatch"])
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def installer(checkout: Path) -> tuple[Path, dict[str, str]]:
    """The pinned uv, installed once per Python into the cache, and the environment to run it in."""
    lock = checkout / INSTALLER_LOCK
    version = re.search(r"^uv==(\S+)", lock.read_text(), re.MULTILINE)
    if version is None:
        raise SetupFailed(f"{lock} names no version of uv: run `git checkout {INSTALLER_LOCK}`")

    def make(folder: Path) -> None:
        say(f"installing uv {version[1]} into the cache")
        no_venv = "this Python has no venv module; on Debian: apt-get install python3-venv"
        run([sys.executable, "-m", "venv", folder], no_venv)
        pip: list[str | Path] = [
            folder / "bin" / "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--require-hashes",
        ]
        run([*pip, "-r", lock], NETWORK)

    tag = f"uv-{version[1]}-py{sys.version_info[0]}{sys.version_info[1]}"
    folder = cache.entry(cache.cache_root(), f"tools/{tag}", make, say)
    env = {**os.environ, **_index_of_pip(folder), "UV_CACHE_DIR": str(cache.cache_root() / "uv")}
    return folder / "bin" / "uv", env


def _index_of_pip(tool_venv: Path) -> Mapping[str, str]:
    """uv's settings for the package index and certificates that the user has configured for pip."""
    # The venv was renamed, so its pip script has a stale first line; `python -m pip` does not mind.
    settings = output([tool_venv / "bin" / "python", "-m", "pip", "config", "list"]) or ""
    found = dict(re.findall(r"^[\w:]+\.([\w-]+)='(.*)'$", settings, re.MULTILINE))
    names = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "cert": "SSL_CERT_FILE"}
    return {new: found[old] for old, new in names.items() if old in found and new not in os.environ}


def _version(python: Path) -> str | None:
    return output([python, "-c", "import sys; print(sys.version, sys.base_prefix)"])
